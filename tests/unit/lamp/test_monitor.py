"""Which readings of the meter count, and whether neighbours would be heard."""

from typing import Any

import pytest

from firmware.node.lamp import monitor, presence
from firmware.node.lamp.monitor import Monitor
from protocol import configuration, records


class Lamp:
    level = 100
    light = 65535
    settled = True
    failed: bool | None = None


class Rig:
    """A dead lamp of 60 W, and the milliseconds of the machine."""

    def __init__(self) -> None:
        self.values = configuration.effective({"lamp/rated_power": 600, "lamp/fault_delay": 5})
        self.ticks = 0
        self.now = 100
        self.lamp = Lamp()
        self.told: list[tuple[int, ...]] = []
        self.monitor = Monitor(self.lamp, self, self, lambda *fault: self.told.append(fault))

    def uptime(self) -> int:
        return self.now

    def sample(self, seconds: int = 1, power: int = 20) -> None:
        for _ in range(seconds):
            self.now += 1
            self.ticks += 1000
            self.monitor.sample(power, 2300, 10)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    made = Rig()
    for module in (monitor, presence):
        time: Any = module.time
        monkeypatch.setattr(time, "ticks_ms", lambda: made.ticks, raising=False)
        monkeypatch.setattr(time, "ticks_diff", lambda end, start: end - start, raising=False)
    return made


def test_readings_of_a_steady_light_are_judged(rig: Rig) -> None:
    rig.sample(7)
    assert rig.told == [(records.FAULT_LAMP, 1, 100, 20, 600, 2300)]


def test_what_the_driver_says_of_itself_counts_whatever_it_draws(rig: Rig) -> None:
    rig.lamp.failed = True
    rig.sample(7, power=600)
    assert rig.told == [(records.FAULT_LAMP, 1, 100, 600, 600, 2300)]
    rig.lamp.failed = None  # it does not answer: the meter alone has it
    rig.sample(7, power=600)
    assert rig.told[1:] == [(records.FAULT_LAMP, 0, 100, 600, 600, 2300)]


def test_readings_while_the_light_changes_or_blinks_are_not(rig: Rig) -> None:
    rig.lamp.settled = False
    rig.sample(1000)
    assert rig.told == []


def test_a_meter_that_comes_back_has_to_say_it_all_again(rig: Rig) -> None:
    rig.sample(4)
    rig.ticks += 60_000
    rig.now += 60
    rig.sample(4)
    assert rig.told == []
    rig.sample(3)
    assert len(rig.told) == 1


def test_a_shunt_the_other_way_round_is_as_good(rig: Rig) -> None:
    rig.sample(100, power=-600)
    assert rig.told == []


def test_new_settings_count_from_the_next_reading(rig: Rig) -> None:
    rig.sample(7)
    rig.values = configuration.effective({"lamp/rated_power": 20, "lamp/fault_delay": 5})
    rig.sample(10)
    assert [fault[1] for fault in rig.told] == [1, 0]


def test_neighbours_are_heard_as_long_as_the_gateway_is(rig: Rig) -> None:
    heard = [0]
    neighbours = presence.Neighbours(lambda: heard[0])
    assert neighbours.watched()
    rig.ticks += 899_000
    assert neighbours.watched()
    rig.ticks += 1000
    assert not neighbours.watched()
    rig.ticks -= 2_000_000  # the counter wraps: silence is still silence
    assert not neighbours.watched()
    heard[0] += 1
    assert neighbours.watched()

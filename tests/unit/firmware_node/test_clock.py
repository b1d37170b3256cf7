"""The node's clock: both epochs, uptime, absurd times."""

import calendar
import time as real_time
from types import SimpleNamespace

import pytest

from firmware.node import clock as module
from firmware.node.clock import EARLIEST, LATEST, Clock

NOW = 1_790_000_000
YEAR_2000 = 946_684_800


class Machine:
    """A chip's time: seconds of its own epoch, stepped by its RTC."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
        self.epoch = epoch
        self.seconds: float = 0
        self.dates: list[tuple[int, ...]] = []

        def gmtime(seconds: int) -> tuple[int, ...]:
            return tuple(real_time.gmtime(seconds + epoch))

        fake = SimpleNamespace(time=lambda: self.seconds, gmtime=gmtime)
        monkeypatch.setattr(module, "time", fake)
        monkeypatch.setattr(module, "EPOCH", epoch)

    def datetime(self, when: tuple[int, ...]) -> None:
        self.dates.append(when)
        year, month, day, _, hour, minute, second, _ = when
        self.seconds = calendar.timegm((year, month, day, hour, minute, second)) - self.epoch


@pytest.fixture(params=[0, YEAR_2000], ids=["epoch 1970", "epoch 2000"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch, request.param)


def test_unset_clock_stamps_with_uptime(machine: Machine) -> None:
    clock = Clock(machine)
    machine.seconds += 90.7

    assert (clock.now(), clock.is_set) == (0, False)
    assert clock.stamp() == clock.uptime() == 90


def test_set_clock_gives_unix_seconds(machine: Machine) -> None:
    clock = Clock(machine)
    clock.set(NOW)
    machine.seconds += 5

    assert clock.is_set
    assert clock.now() == clock.stamp() == NOW + 5


def test_rtc_gets_the_weekday_that_micropython_counts_from_monday(machine: Machine) -> None:
    Clock(machine).set(1_735_689_600 + 3600)  # a Wednesday

    assert machine.dates == [(2025, 1, 1, 2, 1, 0, 0, 0)]


def test_uptime_passes_over_every_step(machine: Machine) -> None:
    clock = Clock(machine)
    machine.seconds += 100
    clock.set(NOW)
    machine.seconds += 20
    clock.set(NOW - 5000)
    machine.seconds += 3

    assert clock.uptime() == 123


def test_uptime_does_not_go_back_when_the_rtc_does(machine: Machine) -> None:
    clock = Clock(machine)
    machine.seconds += 100
    assert clock.uptime() == 100
    machine.seconds -= 70
    assert clock.uptime() == 100
    machine.seconds += 5
    assert clock.uptime() == 105


@pytest.mark.parametrize("absurd", [0, -1, EARLIEST - 1, LATEST, 1 << 40, None, "now", 1.5])
def test_absurd_times_are_refused(machine: Machine, absurd: object) -> None:
    clock = Clock(machine)

    with pytest.raises(ValueError, match="time: expected"):
        clock.set(absurd)  # pyright: ignore[reportArgumentType]

    assert machine.dates == []


def test_jitter_of_the_link_does_not_step_the_clock(machine: Machine) -> None:
    clock = Clock(machine)
    clock.set(NOW)

    assert [clock.set(NOW + 4), clock.set(NOW - 4)] == [0, 0]
    assert clock.set(NOW + 5) == 5
    assert len(machine.dates) == 2


@pytest.mark.parametrize("years", [1, -1, 5, -30])
def test_uptime_passes_over_a_leap_of_the_rtc_and_goes_on(machine: Machine, years: int) -> None:
    clock = Clock(machine)
    clock.set(NOW)
    machine.seconds += 100
    assert clock.uptime() == 100
    machine.seconds += years * 366 * 86_400
    assert clock.uptime() == 100
    machine.seconds += 5
    assert clock.uptime() == 105


def test_a_day_without_a_look_is_no_leap(machine: Machine) -> None:
    clock = Clock(machine)
    machine.seconds += 86_400

    assert clock.uptime() == 86_400


def test_a_year_ahead_is_put_right_by_the_link_and_uptime_sees_neither(machine: Machine) -> None:
    clock = Clock(machine)
    clock.set(NOW)
    clock.uptime()
    machine.seconds += 366 * 86_400
    clock.uptime()
    for second in range(8):
        machine.seconds += 1
        clock.hear(NOW + 1 + second)

    assert clock.now() == NOW + 8
    assert clock.uptime() == 8


def test_steps_are_told_with_whether_it_was_the_first(machine: Machine) -> None:
    told: list[tuple[int, int, bool]] = []
    clock = Clock(machine)
    clock.on_step = lambda *step: told.append(step)
    machine.seconds += 30
    clock.set(NOW)
    clock.set(NOW + 100)

    assert [(uptime, first) for _, uptime, first in told] == [(30, True), (30, False)]
    assert told[1][0] == 100


def test_clock_set_before_a_soft_reset_is_still_set_after(machine: Machine) -> None:
    Clock(machine).set(NOW)

    assert Clock(machine).now() == NOW


def test_a_later_time_heard_is_taken_at_once(machine: Machine) -> None:
    clock = Clock(machine)

    assert clock.hear(NOW) > 0
    assert clock.hear(NOW + 30) == 30
    assert clock.now() == NOW + 30


def test_delays_of_the_link_do_not_put_the_clock_back(machine: Machine) -> None:
    clock = Clock(machine)
    clock.set(NOW)

    for late in (20, 90, 35, 17, 60, 25, 40, 3) * 5:
        clock.hear(clock.now() - late)
        machine.seconds += 1

    assert clock.now() == NOW + 40


def test_a_clock_that_is_fast_is_put_back_by_the_least_of_what_was_heard(machine: Machine) -> None:
    clock = Clock(machine)
    clock.set(NOW + 600)

    corrections = [clock.hear(NOW - late) for late in (20, 90, 35, 17, 60, 25, 40, 30)]

    assert corrections == [0] * 7 + [-617]
    assert clock.now() == NOW - 17


def test_an_absurd_time_heard_is_refused(machine: Machine) -> None:
    clock = Clock(machine)
    for _ in range(2):
        with pytest.raises(ValueError, match="time: expected"):
            clock.hear(12)
        clock.set(NOW)

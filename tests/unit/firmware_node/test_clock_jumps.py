"""The clock jumps by a year, and what is counted or kept does not."""

import calendar
import time as real_time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from firmware.node import clock as module
from firmware.node.clock import Clock
from firmware.node.events import Events
from firmware.node.lamp import counters as counters_module
from firmware.node.lamp.counters import Counters
from firmware.node.log import NodeLog
from firmware.node.samplers.total import EnergyTotal
from protocol import configuration, records

NOW = 1_790_000_000
YEAR = 366 * 86_400
UNIT = 3_600_000  # uJ: a thousandth of a Wh


class Chip:
    """A chip's time, which its RTC steps."""

    seconds = NOW

    def datetime(self, when: tuple[int, ...]) -> None:
        year, month, day, _, hour, minute, second, _ = when
        self.seconds = calendar.timegm((year, month, day, hour, minute, second))


class Lamp:
    wanted = 100
    switch_ons = 1


class Settings:
    values = configuration.effective({"counters/period": 3600})


class Boot:
    trial = False
    reverted = ""
    slot = 0


class Manager:
    state = 0
    reason = ""
    code = 0


@pytest.mark.parametrize("by_link", [True, False], ids=["told by the link", "of the RTC itself"])
@pytest.mark.parametrize("step", [YEAR, -YEAR], ids=["ahead", "back"])
def test_counters_energy_periods_and_log_take_no_notice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: int, by_link: bool
) -> None:
    chip = Chip()
    fake = SimpleNamespace(time=lambda: chip.seconds, gmtime=real_time.gmtime)
    monkeypatch.setattr(module, "time", fake)
    monkeypatch.setattr(module, "EPOCH", 0)
    ticks = SimpleNamespace(ticks_diff=lambda late, early: late - early)
    monkeypatch.setattr(counters_module, "time", ticks)
    clock = Clock(chip)
    log = NodeLog(str(tmp_path / "log"), clock)
    clock.on_step = Events(log, Boot(), Manager()).clock_stepped
    counters = Counters(Lamp(), clock, log, Settings(), str(tmp_path / "burnt"))
    energy = EnergyTotal(str(tmp_path / "energy"))
    for minute in range(240):
        if minute == 120:
            if by_link:
                clock.set(clock.now() + step)
            else:
                chip.seconds += step
            clock.uptime()  # as the lamp asks all the time
        chip.seconds += 60
        counters.step(60_000 * minute)
        energy.update(1000 + minute * 1000, clock.uptime(), 1 << 24, UNIT)
        log.append(records.EVENT, 1, minute)

    assert counters.minutes == 239
    assert (energy.watthours, energy.implausible, energy.restarts) == (239, 0, 0)
    found: list[tuple[int, int, tuple[int, ...]]] = []
    sequence = 0
    while True:
        _, first, bodies, _ = log.read(log.epoch, sequence, 1000)
        if not bodies:
            break
        found += [records.decode(body) for body in bodies]
        sequence = first + len(bodies)
    assert len(found) == log.next_seq
    events = [(when, values) for kind, when, values in found if kind == records.EVENT]
    kept = [(when, values[1]) for when, values in events if values[0] == 1]
    assert [value for _, value in kept] == list(range(240)), "none is lost, and in their order"
    # Each has the time it had: the year comes once, and a record says by how much.
    gaps = [after - before for (before, _), (after, _) in pairwise(kept)]
    assert gaps == [60] * 119 + [60 + step] + [60] * 119
    stepped = [values[1] for _, values in events if values[0] == records.EVENT_CLOCK_STEPPED]
    assert stepped == ([step] if by_link else [])
    hours = [values[0] for kind, _, values in found if kind == records.COUNTERS]
    assert hours == [59, 119, 179, 239], "an hour is an hour"

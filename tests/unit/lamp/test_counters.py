"""Burning hours and switch-ons, on files of the PC; power cuts are cut under the real littlefs."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from firmware.node.lamp import counters
from firmware.node.lamp.counters import Counters
from protocol import configuration, records


class Lamp:
    wanted = 100
    switch_ons = 1


class Clock:
    now = 0

    def uptime(self) -> int:
        return self.now


class Settings:
    values = configuration.effective({"counters/period": 3600})


class Log:
    def __init__(self) -> None:
        self.records: list[tuple[int, ...]] = []

    def append(self, kind: int, *values: int) -> bool:
        self.records.append((kind, *values))
        return True


class Nvs:
    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.commits = 0

    def get_i32(self, key: str) -> int:
        if key not in self.values:
            raise OSError(-4354)
        return self.values[key]

    def set_i32(self, key: str, value: int) -> None:
        self.values[key] = value

    def commit(self) -> None:
        self.commits += 1


class Rig:
    def __init__(self, folder: Path, nvs: Any = None) -> None:
        self.path = str(folder / "burnt")
        self.lamp = Lamp()
        self.clock = Clock()
        self.log = Log()
        self.ticks = 0
        self.made = Counters(self.lamp, self.clock, self.log, Settings(), self.path, nvs)
        self.step()

    def step(self, seconds: int = 0, ticks: int = 6000) -> None:
        self.clock.now += seconds
        self.ticks += ticks
        self.made.step(self.ticks)

    @property
    def counted(self) -> tuple[int, int]:
        return self.made.minutes, self.made.switch_on


@pytest.fixture(autouse=True)
def ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters.time, "ticks_diff", lambda end, start: end - start, raising=False)


def test_minutes_are_counted_while_a_light_is_wanted(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for _ in range(90):
        rig.step(1)
    assert rig.counted == (1, 1)
    rig.lamp.wanted = 0
    rig.step(30)  # it was lit until now
    rig.step(3600)
    assert rig.counted == (2, 1)
    rig.lamp.wanted = 1
    rig.lamp.switch_ons = 2
    rig.step(0)
    rig.step(3600)
    assert rig.counted == (62, 2)


def test_a_restart_goes_on_from_the_last_save(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for _ in range(14):
        rig.step(60)
    assert Rig(tmp_path).counted == (10, 2), "five minutes at most are lost"


def test_what_is_counted_is_saved_when_the_lamp_goes_dark(tmp_path: Path) -> None:
    nvs = Nvs()
    rig = Rig(tmp_path, nvs)
    for _ in range(13):
        rig.step(60)
    assert nvs.commits == 0
    rig.lamp.wanted = 0
    rig.step(60)
    rig.step(0)
    assert nvs.commits == 1
    assert nvs.values == {"burn_minutes": 14, "switch_on": 1}
    for _ in range(500):
        rig.step(60)
    assert nvs.commits == 1, "nothing more to say by day"


def test_saves_are_at_least_five_seconds_apart(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    saved: list[int] = []
    save = rig.made.save
    rig.made.save = lambda now: (saved.append(now), save(now))[1]  # type: ignore[method-assign]
    for _ in range(1000):
        rig.step(600, 100)  # a street that runs 6000 times as fast
    assert min(after - before for before, after in pairwise(saved)) >= 5000
    assert len(saved) >= 18


@pytest.mark.parametrize("damage", [b"", b"\xff" * 12, b"\0" * 13, None])
def test_a_damaged_file_leaves_the_other_one(tmp_path: Path, damage: bytes | None) -> None:
    rig = Rig(tmp_path)
    for _ in range(20):
        rig.step(60)
    for which in "01":
        path = Path(rig.path + which)
        good = path.read_bytes()
        if damage is None:
            path.unlink()
        else:
            path.write_bytes(damage)
        found = Counters(rig.lamp, rig.clock, rig.log, Settings(), rig.path)
        assert found.minutes in (15, 20)
        path.write_bytes(good)


def test_the_flash_or_nvs_may_be_lost_but_not_both(tmp_path: Path) -> None:
    nvs = Nvs()
    rig = Rig(tmp_path, nvs)
    for _ in range(100):
        rig.step(60)
    rig.lamp.wanted = 0
    rig.step(0)
    for which in "01":
        Path(rig.path + which).unlink()
    assert Rig(tmp_path, nvs).made.minutes == 100
    assert Rig(tmp_path, Nvs()).made.minutes == 100, "from the files that were written since"


def test_a_flash_that_fails_is_counted_and_nothing_else(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "missing")
    for _ in range(20):
        rig.step(60)
    assert rig.made.minutes == 20
    assert rig.made.failures > 0
    (tmp_path / "missing").mkdir()
    rig.step(0)
    assert Rig(tmp_path / "missing").made.minutes == 20


def test_a_record_is_written_each_period(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for _ in range(121):
        rig.step(60)
    assert rig.log.records == [(records.COUNTERS, 60, 1), (records.COUNTERS, 120, 1)]


def test_the_writes_that_are_stated_are_those_of_a_night(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Nvs())
    writes: list[int] = []
    save = rig.made.save
    rig.made.save = lambda now: (writes.append(now), save(now))[1]  # type: ignore[method-assign]
    rig.lamp.switch_ons += 1  # at dusk
    for _ in range(12 * 60):
        rig.step(60)
    rig.lamp.wanted = 0
    for _ in range(12 * 60):
        rig.step(60)
    stated = re.search(r"That is (\d+) writes in a night of 12 h", counters.__doc__ or "")
    assert stated is not None
    assert abs(len(writes) - int(stated[1])) <= 2, len(writes)

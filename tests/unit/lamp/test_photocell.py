"""The photocell: hysteresis, delay, its own lamp's light, and a sensor that is dead."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.lamp.photocell import Photocell, PhotocellReader, lux_of
from protocol import configuration, records

NOW = 1_768_500_000


class Settings:
    def __init__(self, **values: int) -> None:
        self.values = configuration.effective(
            {f"photocell/{name}": value for name, value in values.items()}
        )


def fed(cell: Photocell, start: int, readings: Sequence[int | None], level: int = 0) -> int:
    """Give one reading each 5 s; the uptime after the last one."""
    for lux in readings:
        cell.step(lux, start, NOW + start, level)
        start += 5
    return start


def test_it_is_dark_below_on_and_light_above_off_after_the_delay() -> None:
    cell = Photocell(Settings(on_lux=35, off_lux=70, delay=60))
    at = fed(cell, 0, [500] * 12)
    assert cell.dark is None  # 55 s
    at = fed(cell, at, [500])
    assert (cell.dark, cell.changed_at) == (False, NOW + 60)
    at = fed(cell, at, [34] * 12)
    assert cell.dark is False
    at = fed(cell, at, [34])
    assert (cell.dark, cell.changed_at) == (True, NOW + at - 5)
    at = fed(cell, at, [70] * 50)
    assert cell.dark is True
    at = fed(cell, at, [71] * 13)
    assert cell.dark is False


def test_what_passes_sooner_than_the_delay_changes_nothing() -> None:
    cell = Photocell(Settings(delay=60))
    at = fed(cell, 0, [5] * 20)
    assert cell.dark is True
    for _ in range(30):  # headlights, again and again
        at = fed(cell, at, [400] * 10 + [5])
    assert cell.dark is True


@given(st.lists(st.integers(36, 69), max_size=60), st.booleans())
def test_between_the_two_levels_it_stays_what_it_was(readings: list[int], dark: bool) -> None:
    cell = Photocell(Settings(on_lux=35, off_lux=70, delay=10))
    at = fed(cell, 0, [1 if dark else 900] * 4)
    fed(cell, at, list(readings))
    assert cell.dark is dark


def test_between_the_two_levels_at_the_start_it_is_dark() -> None:
    cell = Photocell(Settings(on_lux=35, off_lux=70, delay=0))
    fed(cell, 0, [50])
    assert cell.dark is True


def test_a_sensor_without_readings_knows_nothing_after_a_minute() -> None:
    cell = Photocell(Settings(delay=0))
    at = fed(cell, 0, [900])
    at = fed(cell, at, [None] * 11)
    assert cell.dark is False
    at = fed(cell, at, [None] * 2)
    assert (cell.dark, cell.lux) == (None, None)
    assert cell.changed_at == NOW + 60
    fed(cell, at, [3])
    assert cell.dark is True


def test_a_sensor_that_never_gave_a_reading_knows_nothing() -> None:
    cell = Photocell(Settings(delay=0))
    fed(cell, 0, [None] * 100)
    assert cell.dark is None


@pytest.mark.parametrize("own", [0, 30, 200, 340])
def test_its_own_lamp_is_not_the_day(own: int) -> None:
    """A whole night of a lamp that the cell itself switches, and dims at its darkest."""
    cell = Photocell(Settings(on_lux=35, off_lux=70, delay=60))
    # Light halves each four minutes of twilight.
    evening = [int(3000 * 2 ** (-step * 5 / 240)) for step in range(600)]
    day = evening + [0] * 2000 + evening[::-1]
    level, changes, seen = 0, 0, random.Random(own)
    was = None
    for step, ambient in enumerate(day):
        wanted = 0 if not cell.dark else 40 if 1000 < step < 1700 else 100
        level += max(-50, min(50, wanted - level))  # a ramp over two readings
        cell.step(ambient + own * level // 100 + seen.randint(0, 2), 5 * step, NOW, level)
        changes += was is not None and cell.dark is not was
        was = cell.dark
    assert changes == 2
    assert cell.dark is False
    assert level == 0
    assert abs(cell.own - own) <= 10  # what the twilight did meanwhile


def test_a_cloud_that_parts_as_the_lamp_comes_on_does_not_hide_the_day() -> None:
    cell = Photocell(Settings(on_lux=35, off_lux=70, delay=0))
    at = fed(cell, 0, [10] * 3)
    at = fed(cell, at, [9000] * 3, level=100)
    assert cell.own == 5 * 70
    assert cell.dark is False


def test_a_lamp_switched_long_ago_teaches_nothing() -> None:
    cell = Photocell(Settings(on_lux=35, off_lux=70, delay=0))
    cell.step(10, 0, NOW, 0)
    cell.step(10, 5, NOW, 20)
    cell.step(300, 200, NOW, 20)
    assert cell.own == 0


def test_a_logarithmic_sensor_gives_lux() -> None:
    curve = (390, 0, 2400)  # 30 uA at 1000 lx through 39 kOhm
    assert lux_of(0, curve) == 1
    assert lux_of(1_170_000, curve) == pytest.approx(1000, abs=1)
    assert lux_of(390_000 * 15 // 10, curve) == 31
    assert lux_of(2_400_001, curve) is None
    assert lux_of(-1, curve) is None


def test_a_proportional_sensor_gives_lux_to_its_end() -> None:
    curve = (0, 500, 3100)
    assert [lux_of(microvolts, curve) for microvolts in (0, 100_000, 3_300_000)] == [0, 50, 1650]


@given(st.integers(-5_000_000, 5_000_000), st.integers(0, 1000), st.integers(0, 10_000))
def test_any_voltage_is_lux_or_none(microvolts: int, decade: int, scale: int) -> None:
    found = lux_of(microvolts, (decade, scale, 2400))
    assert found is None or 0 <= found <= 200_000


class Adc:
    def __init__(self) -> None:
        self.said: list[int | OSError] = []

    def read_uv(self) -> int:
        found = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(found, OSError):
            raise found
        return found


class Log:
    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def append(self, kind: int, *values: int) -> None:
        self.events.append((kind, *values))


class Clock:
    up = 0

    def uptime(self) -> int:
        self.up += 5
        return self.up

    def now(self) -> int:
        return NOW


class Lamp:
    level = 0


class _Enough(Exception):
    pass


def test_the_reader_feeds_the_cell_and_tells_a_dead_sensor_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adc, log = Adc(), Log()
    cell = Photocell(Settings(delay=0))
    reader = PhotocellReader(adc, (390, 0, 2400), cell, Clock(), Lamp(), log)
    rounds = 0
    states: list[bool | None] = []

    async def at_once(_ms: int) -> None:
        return None

    monkeypatch.setattr(asyncio, "sleep_ms", at_once, raising=False)

    async def pause(_ms: int, check_in: Any) -> None:
        nonlocal rounds
        check_in()
        states.append(cell.dark)
        rounds += 1
        if rounds == 1:
            adc.said = [OSError(5)]
        elif rounds == 20:
            adc.said = [2_900_000]  # its wire is torn off and pulled up
        elif rounds == 30:
            adc.said = [1_000_000]
        elif rounds == 31:
            raise _Enough

    monkeypatch.setattr("firmware.node.lamp.photocell.pause", pause)
    adc.said = [100_000]
    with pytest.raises(_Enough):
        asyncio.run(reader.run(lambda: None))
    assert states[0] is True
    assert states[20] is None
    assert states[-1] is False
    told = [event[1] for event in log.events if event[0] == records.EVENT]
    assert told == [records.EVENT_SENSOR_LOST, records.EVENT_SENSOR_BACK]

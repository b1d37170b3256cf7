"""How far the firmware's Sun, in single precision, is from ``astral``, by latitude."""

from __future__ import annotations

import time
from collections.abc import Iterable

from firmware.node.lamp import sun
from tests.bench.rows import Row
from tests.unit.lamp.almanac import FIRST, KINDS, LAST, difference, single_precision

BANDS = ((0, 23), (23, 45), (45, 55), (55, 60))
"""Latitudes in degrees, the same north and south."""
DAY_STEP = 17
LATITUDE_STEP = 2.5
LONGITUDES = (-9.1393, 18.0686, 151.2)
PLACES = {
    "Lisbon": (38.7223, -9.1393),
    "Milan": (45.4642, 9.19),
    "London": (51.5074, -0.1278),
    "Stockholm": (59.3293, 18.0686),
}


def run() -> list[Row]:
    """Every kind of event from 2024 to 2040, in each band and at each place."""
    rows: list[Row] = []
    with single_precision():
        for low, high in BANDS:
            steps = range(round(low / LATITUDE_STEP), round(high / LATITUDE_STEP) + 1)
            north = sorted({min(high, max(low, step * LATITUDE_STEP)) for step in steps})
            sites = [(sign * latitude, None) for latitude in north for sign in (1, -1)]
            rows += _rows(f"{low} to {high} degrees", sites, DAY_STEP)
        for name, place in PLACES.items():
            rows += _rows(name, [place], 5)
    return [*rows, _cost()]


def _rows(name: str, sites: Iterable[tuple[float, float | None]], step: int) -> list[Row]:
    worst: dict[int, float] = dict.fromkeys(KINDS, 0.0)
    count = 0
    for latitude, longitude in sites:
        for kind in KINDS:
            for number, day in enumerate(range(FIRST + count % step, LAST, step)):
                at = LONGITUDES[number % 3] if longitude is None else longitude
                worst[kind] = max(worst[kind], difference(kind, day, latitude, at))
                count += 1
    return [
        Row("sun", f"{name}, {what}", max(worst[kind] for kind in kinds), "s",
            f"worst of {count // 2:,} against astral, 2024-2040, 24-bit floats; at most 60 wanted")
        for what, kinds in (
            ("sunset and sunrise", (sun.SUNSET, sun.SUNRISE)),
            ("civil dusk and dawn", (sun.CIVIL_DUSK, sun.CIVIL_DAWN)),
        )
    ]  # fmt: skip


def _cost() -> Row:
    began = time.perf_counter()
    for day in range(FIRST, FIRST + 1000):
        sun.event(sun.SUNSET, day, 515_074, -1278)
    spent = (time.perf_counter() - began) * 1000
    return Row("sun", "time of one event", spent, "us", "CPython on this machine")

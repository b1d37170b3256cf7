"""The Sun by `astral`, and by the firmware in the single precision of the ESP32."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from astral import Observer, SunDirection
from astral.sun import sunrise, sunset, time_at_elevation

from firmware.node.lamp import sun
from tests.unit.lamp import single

EPOCH = datetime.date(1970, 1, 1)
FIRST = (datetime.date(2024, 1, 1) - EPOCH).days
LAST = (datetime.date(2040, 12, 31) - EPOCH).days
KINDS = (sun.SUNSET, sun.SUNRISE, sun.CIVIL_DUSK, sun.CIVIL_DAWN)


def day_of(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01."""
    return (datetime.date(year, month, day) - EPOCH).days


def reference(kind: int, day: int, latitude: float, longitude: float) -> float | None:
    """Astral's Unix time of an event near a day, None where it has none.

    Civil twilight without refraction: it is geometric by definition, and astral adds 3' otherwise.
    """
    observer = Observer(latitude, longitude, 0.0)
    date = EPOCH + datetime.timedelta(day)
    try:
        if kind == sun.SUNSET:
            when = sunset(observer, date)
        elif kind == sun.SUNRISE:
            when = sunrise(observer, date)
        else:
            way = SunDirection.SETTING if kind == sun.CIVIL_DUSK else SunDirection.RISING
            when = time_at_elevation(observer, -6, date, way, with_refraction=False)
    except ValueError:
        return None
    return when.timestamp()


def event(kind: int, day: int, latitude: float, longitude: float) -> int:
    """The firmware's event, in degrees and by the longitude's own clocks."""
    offset = round(longitude / 15) * 60
    return sun.event(kind, day, round(latitude * 1e4), round(longitude * 1e4), offset)


def difference(kind: int, day: int, latitude: float, longitude: float) -> float:
    """Seconds between the firmware's event and astral's nearest one."""
    ours = event(kind, day, latitude, longitude)
    assert ours > 0, (kind, day, latitude, longitude)
    best = float("inf")
    for step in (0, 1, -1):
        when = reference(kind, day + step, latitude, longitude)
        if when is not None:
            best = min(best, abs(ours - when))
        if best < 7200:
            break  # its neighbours are a day away
    return best


@contextmanager
def single_precision() -> Iterator[None]:
    """Every float operation of the firmware's Sun rounded as the ESP32's are."""
    with mock.patch.object(sun, "math", single.MATH), mock.patch.object(sun, "_real", single.real):
        yield

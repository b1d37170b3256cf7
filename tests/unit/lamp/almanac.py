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
_DAY = 86400
# Nearer than so many seconds it is the event that was meant, and no slip of astral's.
_SURE = {sun.SUNSET: 45, sun.SUNRISE: 45, sun.CIVIL_DUSK: 6, sun.CIVIL_DAWN: 6}
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
    """Seconds between the firmware's event and astral's; infinite where astral has none."""
    ours = event(kind, day, latitude, longitude)
    assert ours > 0, (kind, day, latitude, longitude)
    first = reference(kind, day, latitude, longitude)
    if first is not None and abs(ours - first) < _SURE[kind]:
        return abs(ours - first)
    # Astral looks on a date of UTC: where an event wanders over its midnight it leaves one out, and
    # tells one twice, a day early. Then it is a neighbour's, or half way between them.
    known = [reference(kind, day + step, latitude, longitude) for step in (-2, -1, 0, 1, 2)]
    times = sorted(when for when in known if when is not None)
    earlier = max((when for when in times if when <= ours - _DAY / 2), default=None)
    later = min((when for when in times if when >= ours + _DAY / 2), default=None)
    candidates = [when for when in times if abs(when - ours) < _DAY / 2]
    if earlier is not None and later is not None and later - earlier < 2.1 * _DAY:
        candidates.append((earlier + later) / 2)
    return min((abs(ours - when) for when in candidates), default=float("inf"))


@contextmanager
def single_precision() -> Iterator[None]:
    """Every float operation of the firmware's Sun rounded as the ESP32's are."""
    with mock.patch.object(sun, "math", single.MATH), mock.patch.object(sun, "_real", single.real):
        yield

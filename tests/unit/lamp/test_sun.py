import datetime
import math

import pytest
from astral import Observer, SunDirection
from astral.sun import sunrise, sunset, time_at_elevation
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.node.lamp import sun
from tests.unit.lamp import single

EPOCH = datetime.date(1970, 1, 1)
FIRST = (datetime.date(2024, 1, 1) - EPOCH).days
LAST = (datetime.date(2040, 12, 31) - EPOCH).days
KINDS = (sun.SUNSET, sun.SUNRISE, sun.CIVIL_DUSK, sun.CIVIL_DAWN)


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


def difference(kind: int, day: int, latitude: float, longitude: float) -> float:
    """Seconds between the firmware's event and astral's nearest one."""
    offset = round(longitude / 15) * 60
    ours = sun.event(kind, day, round(latitude * 1e4), round(longitude * 1e4), offset)
    assert ours > 0, (kind, day, latitude, longitude)
    theirs = [reference(kind, day + step, latitude, longitude) for step in (-1, 0, 1)]
    return min(abs(ours - when) for when in theirs if when is not None)


@pytest.fixture
def single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every float operation of the module rounded as the ESP32's are."""
    monkeypatch.setattr(sun, "math", single.MATH)
    monkeypatch.setattr(sun, "_real", single.real)


@pytest.mark.parametrize("kind", KINDS)
def test_events_are_within_a_minute_of_astral_in_single_precision(
    kind: int, single_precision: None
) -> None:
    # Astral's Sun rises at 16' and its own refraction, ours at the customary 50' in all; civil
    # twilight is the same to both and shows what is left: two formulas and the rounding.
    limit = 45 if kind in (sun.SUNSET, sun.SUNRISE) else 6
    for latitude in (-60, -45, -23, 0, 38.7, 51.5, 59.3, 60):
        for longitude in (-9, 0, 120):
            for day in range(FIRST + kind, LAST, 83):
                gap = difference(kind, day, latitude, longitude)
                assert gap <= limit, (latitude, longitude, day, gap)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(FIRST, LAST),
    st.floats(-59.9, 59.9),
    st.floats(-165, 165),
)
def test_events_anywhere_are_within_a_minute_of_astral(
    kind: int, day: int, latitude: float, longitude: float
) -> None:
    # Near the Greenwich antimeridian astral leaves days out; their neighbours stand in.
    assert difference(kind, day, latitude, longitude) <= 60


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(KINDS), st.integers(FIRST, LAST), st.integers(-900_000, 900_000))
def test_single_precision_costs_seconds_at_most(kind: int, day: int, latitude: int) -> None:
    exact = sun.event(kind, day, latitude, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sun, "math", single.MATH)
        patch.setattr(sun, "_real", single.real)
        device = sun.event(kind, day, latitude, 0)
    if abs(latitude) <= 600_000:
        assert abs(device - exact) <= 2
    elif exact > 0 and device > 0:  # where the Sun grazes the horizon an hour is no surprise
        assert abs(device - exact) < 7200


def test_single_is_what_a_24_bit_float_is() -> None:
    assert single.Single(16_777_217) == 16_777_216
    assert single.Single(1) + 1e-9 == 1
    assert single.MATH.sin(0.5) == single.rounded(math.sin(single.rounded(0.5)))


@pytest.mark.parametrize(
    ("latitude", "date", "expected"),
    [
        (696_500, datetime.date(2026, 6, 21), sun.STAYS_UP),
        (696_500, datetime.date(2026, 12, 21), sun.STAYS_DOWN),
        (-770_000, datetime.date(2026, 12, 21), sun.STAYS_UP),
        (-770_000, datetime.date(2026, 6, 21), sun.STAYS_DOWN),
        (900_000, datetime.date(2026, 6, 21), sun.STAYS_UP),
        (-900_000, datetime.date(2026, 6, 21), sun.STAYS_DOWN),
    ],
)
def test_polar_day_and_night_are_told_apart(
    latitude: int, date: datetime.date, expected: int
) -> None:
    day = (date - EPOCH).days
    assert sun.event(sun.SUNRISE, day, latitude, 190_000, 60) == expected
    assert sun.event(sun.SUNSET, day, latitude, 190_000, 60) == expected


def test_polar_days_at_tromso_agree_with_astral_but_for_the_grazing_days() -> None:
    disagreements = 0
    for day in range(FIRST, FIRST + 366):
        ours = sun.event(sun.SUNRISE, day, 696_500, 189_600, 60) > 0
        disagreements += ours != (reference(sun.SUNRISE, day, 69.65, 18.96) is not None)
    assert disagreements <= 4  # one at each end of polar day and polar night


def test_a_white_night_has_sunset_but_no_dusk() -> None:
    day = (datetime.date(2026, 6, 21) - EPOCH).days
    assert sun.event(sun.SUNSET, day, 615_000, 250_000, 120) > 0
    assert sun.event(sun.CIVIL_DUSK, day, 615_000, 250_000, 120) == sun.STAYS_UP


def test_events_belong_to_the_local_day_even_across_the_date_line() -> None:
    # Apia keeps UTC+13 at 171.8 W: its clocks are 24.5 h ahead of the mean Sun.
    day = (datetime.date(2026, 3, 20) - EPOCH).days
    local = [sun.event(kind, day, -138_300, -1_717_600, 780) + 13 * 3600 for kind in (2, 1)]
    assert [when // 86400 for when in local] == [day, day]
    assert 6 * 3600 < local[0] % 86400 < 8 * 3600
    assert 18 * 3600 < local[1] % 86400 < 20 * 3600

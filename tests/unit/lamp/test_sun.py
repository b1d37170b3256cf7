import datetime
import math

import pytest
from astral import Observer
from astral.sun import elevation
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.node.lamp import sun
from tests.unit.lamp import single
from tests.unit.lamp.almanac import (
    FIRST,
    KINDS,
    LAST,
    day_of,
    difference,
    event,
    reference,
    single_precision,
)


@pytest.mark.parametrize("kind", KINDS)
def test_events_are_within_a_minute_of_astral_in_single_precision(kind: int) -> None:
    # Astral's Sun rises at 16' and its own refraction, ours at the customary 50' in all; civil
    # twilight is the same to both and shows what is left: two formulas and the rounding.
    limit = 45 if kind in (sun.SUNSET, sun.SUNRISE) else 6
    with single_precision():
        for latitude in (-60, -45, -23, 0, 38.7, 51.5, 59.3, 60):
            for longitude in (-9, 0, 120):
                for day in range(FIRST + kind, LAST, 83):
                    gap = difference(kind, day, latitude, longitude)
                    assert gap <= limit, (latitude, longitude, day, gap)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(FIRST, LAST),
    st.floats(-60, 60),
    st.floats(-165, 165),
)
def test_events_anywhere_are_within_a_minute_of_astral(
    kind: int, day: int, latitude: float, longitude: float
) -> None:
    # Near the Greenwich antimeridian astral leaves days out; their neighbours stand in.
    with single_precision():
        assert difference(kind, day, latitude, longitude) <= 60


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("latitude", [*range(-60, 61, 5), 59.3293, 51.5074, 45.4642, 38.7223])
def test_every_second_day_is_within_a_minute_of_astral(kind: int, latitude: float) -> None:
    with single_precision():
        for day in range(FIRST, LAST, 2):
            gap = difference(kind, day, latitude, -9.1393 if day % 4 else 18.0686)
            assert gap <= 60, (day, gap)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(KINDS), st.integers(FIRST, LAST), st.integers(-900_000, 900_000))
def test_single_precision_costs_seconds_at_most(kind: int, day: int, latitude: int) -> None:
    exact = sun.event(kind, day, latitude, 0)
    with single_precision():
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
        (696_500, (2026, 6, 21), sun.STAYS_UP),
        (696_500, (2026, 12, 21), sun.STAYS_DOWN),
        (-770_000, (2026, 12, 21), sun.STAYS_UP),
        (-770_000, (2026, 6, 21), sun.STAYS_DOWN),
        (900_000, (2026, 6, 21), sun.STAYS_UP),
        (-900_000, (2026, 6, 21), sun.STAYS_DOWN),
    ],
)
def test_polar_day_and_night_are_told_apart(
    latitude: int, date: tuple[int, int, int], expected: int
) -> None:
    day = day_of(*date)
    assert sun.event(sun.SUNRISE, day, latitude, 190_000, 60) == expected
    assert sun.event(sun.SUNSET, day, latitude, 190_000, 60) == expected


@pytest.mark.parametrize("year", [2024, 2031, 2040])
def test_days_without_an_event_are_astrals_but_where_the_sun_only_grazes(year: int) -> None:
    """Polar day and night, and white nights without dusk, from 60 to 70 degrees north and south."""
    without = {(kind, state): 0 for kind in KINDS for state in (sun.STAYS_UP, sun.STAYS_DOWN)}
    grazing = 0
    with single_precision():
        for latitude in (60, 61.5, 63, 65, 66, 66.5, 67, 68.4, 70, -62, -67.5):
            for kind in KINDS:
                for day in range(day_of(year, 1, 1), day_of(year, 12, 31), 3):
                    ours = event(kind, day, latitude, 19.0)
                    if ours < 0:
                        without[kind, ours] += 1
                        high, low = _extremes(day, latitude)
                        edge = -0.8333 if kind in (sun.SUNSET, sun.SUNRISE) else -6
                        # The state is right by astral's elevation of the Sun, not only its absence.
                        assert (low > edge - 0.3) if ours == sun.STAYS_UP else (high < edge + 0.3)
                    if (ours > 0) != (reference(kind, day, latitude, 19.0) is not None):
                        grazing += 1
                        high, low = _extremes(day, latitude)
                        edge = -0.8333 if kind in (sun.SUNSET, sun.SUNRISE) else -6
                        assert min(abs(high - edge), abs(low - edge)) < 0.3, (latitude, kind, day)
    assert without[sun.SUNSET, sun.STAYS_UP] > 50
    assert without[sun.SUNRISE, sun.STAYS_DOWN] > 10
    assert without[sun.CIVIL_DUSK, sun.STAYS_UP] > without[sun.SUNSET, sun.STAYS_UP]
    assert without[sun.CIVIL_DAWN, sun.STAYS_DOWN] == 0  # at 70 degrees each noon has its twilight
    assert grazing < 60


def _extremes(day: int, latitude: float) -> tuple[float, float]:
    """Astral's highest and lowest elevation of the Sun in a day, without refraction, degrees."""
    observer = Observer(latitude, 19.0, 0.0)
    noon = sun.noon(day, 190_000, 60)
    found = [
        elevation(observer, datetime.datetime.fromtimestamp(when, datetime.UTC), False)
        for when in (noon, noon - 43_200, noon + 43_200)
    ]
    return found[0], min(found[1:])


def test_a_white_night_has_sunset_but_no_dusk() -> None:
    day = day_of(2026, 6, 21)
    assert sun.event(sun.SUNSET, day, 615_000, 250_000, 120) > 0
    assert sun.event(sun.CIVIL_DUSK, day, 615_000, 250_000, 120) == sun.STAYS_UP


def test_events_belong_to_the_local_day_even_across_the_date_line() -> None:
    # Apia keeps UTC+13 at 171.8 W: its clocks are 24.5 h ahead of the mean Sun.
    day = day_of(2026, 3, 20)
    local = [sun.event(kind, day, -138_300, -1_717_600, 780) + 13 * 3600 for kind in (2, 1)]
    assert [when // 86400 for when in local] == [day, day]
    assert 6 * 3600 < local[0] % 86400 < 8 * 3600
    assert 18 * 3600 < local[1] % 86400 < 20 * 3600


@settings(max_examples=200, deadline=None)
@given(
    st.integers(FIRST * 86400, LAST * 86400),
    st.integers(-890_000, 890_000),
    st.integers(-1_800_000, 1_800_000),
)
def test_the_suns_altitude_is_astrals_elevation(when: int, latitude: int, longitude: int) -> None:
    observer = Observer(latitude / 1e4, longitude / 1e4, 0.0)
    known = elevation(observer, datetime.datetime.fromtimestamp(when, datetime.UTC), False)
    with single_precision():
        assert abs(sun.altitude(when, latitude, longitude) - known) < 0.05

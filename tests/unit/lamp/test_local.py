"""Local time in integers against the time zone database."""

import datetime
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.node.lamp import local

EPOCH = datetime.date(1970, 1, 1)
FIRST = int(datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC).timestamp())
LAST = int(datetime.datetime(2040, 12, 31, tzinfo=datetime.UTC).timestamp())

# Zone, its standard time less UTC in minutes, and its site/dst.
ZONES = {
    "Europe/London": (0, 1),
    "Europe/Rome": (60, 1),
    "Europe/Lisbon": (0, 1),
    "Europe/Stockholm": (60, 1),
    "Australia/Sydney": (600, 2),
    "Australia/Adelaide": (570, 2),
    "Pacific/Auckland": (720, 3),
    "America/New_York": (-300, 4),
    "America/Los_Angeles": (-480, 4),
}


def changes(zone: str) -> Iterator[datetime.date]:
    """The local dates of 2024 to 2040 on which the zone's clocks change."""
    info = ZoneInfo(zone)
    for day in range(FIRST // 86400, LAST // 86400):
        date = EPOCH + datetime.timedelta(day)
        midnight = datetime.datetime.combine(date, datetime.time(), info)
        if midnight.utcoffset() != (midnight + datetime.timedelta(1)).utcoffset():
            yield date


def naive_instant(date: datetime.date, minutes: int, zone: str) -> int:
    """The first instant of a date at which its clocks show that time or a later one."""
    start = int(datetime.datetime.combine(date, datetime.time(), ZoneInfo(zone)).timestamp())
    for when in range(start, start + 26 * 3600, 60):
        wall = datetime.datetime.fromtimestamp(when, ZoneInfo(zone))
        if wall.date() > date or wall.hour * 60 + wall.minute >= minutes:
            return when
    raise AssertionError


@pytest.mark.parametrize("zone", ZONES)
def test_summer_time_is_that_of_the_time_zone_database(zone: str) -> None:
    info = ZoneInfo(zone)
    for when in range(FIRST, LAST, 11 * 3600 + 1):
        known = datetime.datetime.fromtimestamp(when, info).dst()
        assert known is not None
        assert local.summer_time(when, *ZONES[zone]) == known.total_seconds()


@pytest.mark.parametrize("zone", ZONES)
def test_clocks_change_at_the_second_that_the_time_zone_database_has(zone: str) -> None:
    dates = list(changes(zone))
    assert len(dates) == 34
    for date in dates:
        noon = datetime.datetime.combine(date, datetime.time(12), ZoneInfo(zone))
        for hours in range(6, 14):
            edge = int(noon.timestamp()) - hours * 3600
            for when in (edge - 1, edge, edge + 1):
                wall = datetime.datetime.fromtimestamp(when, ZoneInfo(zone)).replace(
                    tzinfo=datetime.UTC
                )
                assert local.wall(when, *ZONES[zone]) == int(wall.timestamp())


@pytest.mark.parametrize("zone", ZONES)
def test_skipped_and_repeated_times_are_the_first_moment_clocks_have_reached_them(
    zone: str,
) -> None:
    for date in changes(zone):
        day = (date - EPOCH).days
        for minutes in (0, 30, 59, 60, 61, 90, 119, 120, 121, 150, 179, 180, 181, 240, 720, 1439):
            expected = naive_instant(date, minutes, zone)
            assert local.instant(day, minutes, *ZONES[zone]) == expected, (date, minutes)


@settings(deadline=None, max_examples=300)
@given(st.integers(FIRST, LAST), st.sampled_from(sorted(ZONES)))
def test_local_instants_are_those_of_the_time_zone_database(when: int, zone: str) -> None:
    wall = datetime.datetime.fromtimestamp(when, ZoneInfo(zone))
    day = local.day_of(when, *ZONES[zone])
    assert day == (wall.date() - EPOCH).days
    night = (wall.replace(tzinfo=None) - datetime.timedelta(hours=12)).date()
    assert local.night_of(when, *ZONES[zone]) == (night - EPOCH).days
    again = wall.replace(second=0, microsecond=0, fold=0)
    assert local.instant(day, wall.hour * 60 + wall.minute, *ZONES[zone]) == again.timestamp()


def test_dates_and_weekdays_are_those_of_the_calendar() -> None:
    for day in range(47_500):
        date = EPOCH + datetime.timedelta(day)
        assert local.date_of(day) == date.year * 10_000 + date.month * 100 + date.day
        assert local.weekday_of(day) == date.weekday()

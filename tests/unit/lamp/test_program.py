import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.node.lamp import local, sun
from firmware.node.lamp.program import Program

LONDON = (515_074, -1278, 0, 1)
TROMSO = (696_500, 189_600, 60, 1)
DUSK_TO_DAWN = [[1, 0, 100], [2, 0, 0]]
PART_NIGHT = [[1, -10, 100], [0, 23 * 60, 50], [0, 5 * 60, 80], [2, 15, 0]]


def unix(text: str, zone: str = "UTC") -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def levels(program: Program, day: str, hours: range, zone: str = "UTC") -> list[int | None]:
    start = unix(f"{day}T00:00", zone)
    return [program.at(start + hour * 3600)[0] for hour in hours]


@pytest.mark.parametrize("zone", ["Europe/London", "Europe/Berlin", "Europe/Helsinki"])
def test_summer_time_is_that_of_the_time_zone_database(zone: str) -> None:
    for hour in range(unix("2024-01-01T00:00"), unix("2040-12-31T00:00"), 7 * 3600 + 1):
        known = datetime.datetime.fromtimestamp(hour, ZoneInfo(zone)).dst()
        assert known is not None
        assert local.summer_time(hour, 1) == known.total_seconds()


@settings(deadline=None)
@given(st.integers(unix("2024-01-01T00:00"), unix("2040-12-31T00:00")))
def test_local_instants_are_those_of_the_time_zone_database(when: int) -> None:
    wall = datetime.datetime.fromtimestamp(when, ZoneInfo("Europe/London"))
    day = local.day_of(when, 0, 1)
    assert day == (wall.date() - datetime.date(1970, 1, 1)).days
    minutes = wall.hour * 60 + wall.minute
    again = wall.replace(second=0, microsecond=0, fold=0)
    assert local.instant(day, minutes, 0, 1) == int(again.timestamp())


def test_a_time_skipped_in_spring_and_one_shown_twice_in_autumn_occur_once() -> None:
    spring = (datetime.date(2026, 3, 29) - datetime.date(1970, 1, 1)).days
    autumn = (datetime.date(2026, 10, 25) - datetime.date(1970, 1, 1)).days
    assert local.instant(spring, 90, 0, 1) == unix("2026-03-29T01:30")
    assert local.instant(autumn, 90, 0, 1) == unix("2026-10-25T00:30")


def test_the_default_program_lights_the_lamp_from_sunset_to_sunrise() -> None:
    program = Program(DUSK_TO_DAWN, *LONDON)
    day = (datetime.date(2026, 1, 15) - datetime.date(1970, 1, 1)).days
    sunset = sun.event(sun.SUNSET, day, *LONDON[:3])
    sunrise = sun.event(sun.SUNRISE, day + 1, *LONDON[:3])
    assert program.at(sunset - 1) == (0, 1)
    assert program.at(sunset) == (100, sunrise - sunset)
    assert program.at(sunrise - 1) == (100, 1)
    assert program.at(sunrise)[0] == 0


def test_a_night_goes_on_past_midnight_with_its_own_steps() -> None:
    program = Program(PART_NIGHT, *LONDON)
    found = levels(program, "2026-01-15", range(12, 36))
    assert found[:4] == [0] * 4  # to 15:00
    assert found[5:11] == [100] * 6  # 17:00 to 22:00
    assert found[11:17] == [50] * 6  # 23:00 to 04:00
    assert found[17:20] == [80] * 3  # 05:00 to 07:00
    assert found[21:] == [0] * 3


def test_fixed_times_follow_local_clocks_over_the_change_to_summer_time() -> None:
    program = Program([[0, 360, 10], [0, 1320, 90]], *LONDON)
    for day in ("2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25"):
        six = unix(f"{day}T06:00", "Europe/London")
        assert program.at(six - 1)[0] == 90
        assert program.at(six)[0] == 10
        assert program.at(unix(f"{day}T22:00", "Europe/London"))[0] == 90


@settings(max_examples=60, deadline=None)
@given(
    st.integers(unix("2024-01-05T00:00"), unix("2040-12-20T00:00")),
    st.lists(
        st.one_of(
            st.tuples(st.just(0), st.integers(0, 1439), st.integers(0, 100)),
            st.tuples(st.integers(1, 4), st.integers(-180, 180), st.integers(0, 100)),
        ),
        max_size=10,
    ),
    st.sampled_from([LONDON, TROMSO, (-338_700, 1_512_100, 600, 0), (900_000, 0, 0, 1)]),
)
def test_what_holds_holds_until_the_next_control(
    now: int, controls: list[tuple[int, int, int]], site: tuple[int, int, int, int]
) -> None:
    program = Program(controls, *site)
    level, left = program.at(now)
    assert left > 0
    for moment in (now + left // 2, now + left - 1):
        assert Program(controls, *site).at(moment)[0] == level
    # Asked in any order, a program that remembers answers like one that does not.
    later = program.at(now + left)
    assert later[0] == Program(controls, *site).at(now + left)[0]
    assert program.at(now)[0] == level


def test_the_later_of_two_controls_at_the_same_time_wins() -> None:
    assert Program([[0, 600, 10], [0, 600, 70]], *LONDON).at(unix("2026-01-15T11:00"))[0] == 70


def test_an_empty_program_has_no_wish() -> None:
    assert Program([], *LONDON).at(unix("2026-01-15T11:00"))[0] is None


def test_polar_night_stays_lit_from_noon_on_and_dims_at_night() -> None:
    assert set(levels(Program(DUSK_TO_DAWN, *TROMSO), "2026-12-20", range(48))) == {100}
    found = levels(Program(PART_NIGHT, *TROMSO), "2026-12-20", range(48), "Europe/Oslo")
    assert 0 not in found
    assert found[23] == found[26] == 50
    assert found[30] == 80
    assert found[20] == 100


def test_a_fixed_time_after_sunrise_does_not_light_the_lamp_for_the_day() -> None:
    # In June the Sun rises in London before five: the control of 05:00 BST comes too late.
    program = Program(PART_NIGHT, *LONDON)
    found = levels(program, "2026-06-20", range(24), "Europe/London")
    assert found[0:4] == [50] * 4
    assert found[6:21] == [0] * 15
    assert found[23] == 50


def test_fixed_times_alone_or_with_only_a_sunrise_are_taken_as_they_stand() -> None:
    evening = Program([[0, 18 * 60, 100], [2, 0, 0]], *LONDON)
    found = levels(evening, "2026-06-20", range(24), "Europe/London")
    assert found[18:] == [100] * 6
    assert found[6:18] == [0] * 12
    noon = Program([[0, 12 * 60, 70]], *LONDON)
    assert set(levels(noon, "2026-06-20", range(24))) == {70}


def test_polar_day_puts_the_lamp_out_at_midnight() -> None:
    steps = Program([[2, 0, 10], [0, 12 * 60, 30]], *TROMSO)
    found = levels(steps, "2026-06-20", range(24), "Europe/Oslo")
    assert found == [30] + [10] * 11 + [30] * 12  # 00:45 by the clock is the Sun's midnight


def test_polar_day_stays_dark_whatever_the_fixed_times_are() -> None:
    assert set(levels(Program(PART_NIGHT, *TROMSO), "2026-06-20", range(48))) == {0}


def test_polar_day_stays_dark() -> None:
    assert set(levels(Program(DUSK_TO_DAWN, *TROMSO), "2026-06-20", range(48))) == {0}


def test_each_day_into_and_out_of_polar_night_and_day_has_a_sensible_level() -> None:
    program = Program(DUSK_TO_DAWN, *TROMSO)
    for month, lit in (("01-05", 1), ("11-20", 1), ("12-05", 1), ("05-25", 0), ("07-20", 0)):
        for hour in (0, 23):
            found = program.at(unix(f"2026-{month}T{hour:02}:00"))[0]
            assert found == (100 if lit else 0), (month, hour)


def test_a_control_that_never_occurs_leaves_no_wish() -> None:
    assert Program([[1, 0, 100]], *TROMSO).at(unix("2026-06-20T12:00"))[0] is None


@pytest.mark.parametrize(
    "controls",
    [None, "x", [[0, 0]], [[5, 0, 0]], [[0, 1440, 0]], [[1, 181, 0]], [[0, 0, 101]], [[0, 0, "1"]]],
)
def test_controls_that_are_none_are_refused(controls: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        Program(controls, *LONDON)

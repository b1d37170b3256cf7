import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.node.lamp import sun
from firmware.node.lamp.schedule import Schedule
from protocol import configuration
from tests.unit.lamp import naive

LONDON = (515_074, -1278, 0, 1)
TROMSO = (696_500, 189_600, 60, 1)
DUSK_TO_DAWN = [[1, 0, 100], [2, 0, 0]]
PART_NIGHT = [[1, -10, 100], [0, 23 * 60, 50], [0, 5 * 60, 80], [2, 15, 0]]
BY_CELL = [[5, 0, 100], [0, 23 * 60, 50], [0, 5 * 60 + 30, 100], [6, 0, 0]]


class Cell:
    """A photocell that has decided."""

    def __init__(self, dark: bool | None = None, changed_at: int = 0) -> None:
        self.dark = dark
        self.changed_at = changed_at

    def decide(self, dark: bool | None, when: int) -> None:
        self.dark = dark
        self.changed_at = when


def unix(text: str, zone: str = "UTC") -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def schedule(
    controls: Any,
    site: tuple[int, int, int, int] = LONDON,
    cell: Cell | None = None,
    **others: Any,
) -> Schedule:
    values = {"lamp/program": controls}
    names = ("site/latitude", "site/longitude", "site/utc_offset", "site/dst")
    values.update(zip(names, site, strict=True))
    values.update({f"lamp/{name}": value for name, value in others.items()})
    assert configuration.validate(values) == []
    return Schedule(configuration.effective(values), cell)


def levels(found: Schedule, day: str, hours: range, zone: str = "UTC") -> list[int | None]:
    start = unix(f"{day}T00:00", zone)
    return [found.at(start + hour * 3600)[0] for hour in hours]


def test_the_default_program_lights_the_lamp_from_sunset_to_sunrise() -> None:
    found = schedule(DUSK_TO_DAWN)
    day = (datetime.date(2026, 1, 15) - datetime.date(1970, 1, 1)).days
    sunset = sun.event(sun.SUNSET, day, *LONDON[:3])
    sunrise = sun.event(sun.SUNRISE, day + 1, *LONDON[:3])
    assert found.at(sunset - 1) == (0, 1)
    assert found.at(sunset) == (100, sunrise - sunset)
    assert found.at(sunrise - 1) == (100, 1)
    assert found.at(sunrise)[0] == 0


def test_a_night_goes_on_past_midnight_with_its_own_steps() -> None:
    found = levels(schedule(PART_NIGHT), "2026-01-15", range(12, 36))
    assert found[:4] == [0] * 4  # to 15:00
    assert found[5:11] == [100] * 6  # 17:00 to 22:00
    assert found[11:17] == [50] * 6  # 23:00 to 04:00
    assert found[17:20] == [80] * 3  # 05:00 to 07:00
    assert found[21:] == [0] * 3


def test_fixed_times_follow_local_clocks_over_the_change_to_summer_time() -> None:
    found = schedule([[0, 360, 10], [0, 1320, 90]])
    for day in ("2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25"):
        six = unix(f"{day}T06:00", "Europe/London")
        assert found.at(six - 1)[0] == 90
        assert found.at(six)[0] == 10
        assert found.at(unix(f"{day}T22:00", "Europe/London"))[0] == 90


def test_of_the_times_that_clocks_skip_the_last_one_holds() -> None:
    # 01:00 to 01:59 are not shown in London in the night of 28 March 2026.
    steps = [[0, 1320, 100], [0, 105, 30], [0, 75, 60], [0, 360, 0]]
    found = schedule(steps)
    changed = unix("2026-03-29T01:00")
    assert found.at(changed - 1) == (100, 1)
    assert found.at(changed)[0] == 30
    assert found.at(unix("2026-03-29T02:15"))[0] == 30
    assert schedule(steps).at(unix("2026-03-30T01:20", "Europe/London"))[0] == 60


def test_a_time_that_clocks_show_twice_happens_once() -> None:
    found = schedule([[0, 1320, 100], [0, 70, 50], [0, 80, 70], [0, 360, 0]])
    first = unix("2026-10-25T00:10")
    assert found.at(first) == (50, 600)
    assert [found.at(first + 60 * minute)[0] for minute in (10, 50, 60, 65, 70, 90)] == [70] * 6


SITES = {
    "Europe/London": LONDON,
    "Europe/Rome": (454_642, 91_900, 60, 1),
    "Europe/Lisbon": (387_223, -91_393, 0, 1),
    "Europe/Stockholm": (593_293, 180_686, 60, 1),
    # The south, whose summer is at the new year, and the west.
    "Australia/Adelaide": (-349_285, 1_386_007, 570, 2),
    "Pacific/Auckland": (-368_485, 1_747_633, 720, 3),
    "America/New_York": (407_128, -740_060, -300, 4),
    # Where clocks do not change: the south again, and white nights.
    "Australia/Perth": (-319_523, 1_158_613, 480, 0),
    "Africa/Johannesburg": (-262_041, 280_473, 120, 0),
    "Atlantic/Reykjavik": (641_466, -219_426, 0, 0),
    # On the polar circle and beyond it.
    "Europe/Helsinki": (665_039, 257_294, 120, 1),
    "Europe/Oslo": (696_492, 189_553, 60, 1),
}

FIXED = st.tuples(st.just(0), st.integers(0, 1439), st.integers(0, 100))
# As the clocks change: times that are skipped or shown twice.
AWKWARD = st.tuples(st.just(0), st.integers(30, 240), st.integers(0, 100))
OF_THE_SUN = st.tuples(
    st.integers(1, 4),
    st.one_of(st.integers(-60, 60), st.integers(-180, 180)),
    st.sampled_from([0, 0, 40, 100]),
)
# A night between the Sun's two events, whatever their offsets leave of it.
TRIMMED = st.builds(
    lambda kinds, on, off, between: [[kinds[0], on, 100], *between, [kinds[1], off, 0]],
    st.sampled_from([(1, 2), (3, 4), (1, 4), (3, 2)]),
    st.integers(-180, 180),
    st.integers(-180, 180),
    st.lists(st.one_of(FIXED, AWKWARD).map(list), max_size=3),
)
# All ten at once is a program too.
AT_ONCE = st.builds(
    lambda minutes, levels: [[0, minutes, level] for level in levels],
    st.integers(0, 1439),
    st.lists(st.integers(0, 100), min_size=10, max_size=10),
)
ANY = st.lists(st.one_of(FIXED, AWKWARD, OF_THE_SUN, OF_THE_SUN).map(list), max_size=10)
PROGRAM = st.one_of(ANY, TRIMMED, AT_ONCE)


def starts() -> st.SearchStrategy[datetime.datetime]:
    """Noons some days before a night in which clocks change, and others."""

    def before(year: int, month: int, days: int) -> datetime.datetime:
        last = datetime.date(year, month, 31)
        sunday = last - datetime.timedelta((last.weekday() + 1) % 7)
        noon = datetime.time(12)
        return datetime.datetime.combine(sunday - datetime.timedelta(days), noon)

    def others(date: datetime.date, days: int) -> datetime.datetime:
        return datetime.datetime.combine(date - datetime.timedelta(days), datetime.time(12))

    years = st.integers(2024, 2040)
    # Elsewhere clocks change about the first two weeks of these months.
    elsewhere = st.builds(
        others,
        st.builds(datetime.date, years, st.sampled_from([3, 4, 10, 11]), st.integers(1, 14)),
        st.integers(3, 7),
    )
    changing = st.builds(before, years, st.sampled_from([3, 10]), st.integers(3, 4))
    other = st.builds(before, years, st.sampled_from([1, 5, 7, 8, 12]), st.integers(0, 50))
    return st.one_of(changing, elsewhere, other)


def _written(date: datetime.date) -> int:
    return date.year * 10_000 + date.month * 100 + date.day


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(SITES)),
    starts(),
    PROGRAM,
    st.lists(PROGRAM.filter(bool), max_size=2),
    st.data(),
)
def test_it_is_what_playing_the_nights_minute_by_minute_gives(
    zone: str,
    start: datetime.datetime,
    program: list[list[int]],
    programs: list[list[list[int]]],
    data: st.DataObject,
) -> None:
    night = st.integers(0, 8).map(lambda days: start.date() + datetime.timedelta(days))
    dates = st.tuples(night, night).map(sorted).map(lambda pair: [_written(day) for day in pair])
    yearly = dates.map(lambda pair: [date % 10_000 for date in pair])
    bounds = st.one_of(st.just([0, 0]), dates, yearly)
    rule = st.tuples(st.integers(1, 127), bounds, st.integers(0, len(programs)))
    rules = [[days, *pair, number] for days, pair, number in data.draw(st.lists(rule, max_size=4))]
    names = ("site/latitude", "site/longitude", "site/utc_offset", "site/dst")
    values = configuration.effective(
        {"lamp/program": program, "lamp/programs": programs, "lamp/calendar": rules}
    )
    values.update(zip(names, SITES[zone], strict=True))
    assert configuration.validate(values) == []
    remembering = Schedule(values)
    settled = int(start.replace(tzinfo=ZoneInfo(zone)).timestamp()) + 3 * 86400 - 3600
    left = 0
    last: int | None = None
    for when, level in naive.played(values, zone, start, 5):
        if when < settled:
            continue
        found, wait = remembering.at(when)
        assert found == level, datetime.datetime.fromtimestamp(when, ZoneInfo(zone))
        # Its level changes only where it said that a control would be.
        assert left <= when or found == last, "changed before the control it told of"
        left, last = when + wait, found


@settings(max_examples=60, deadline=None)
@given(
    st.integers(unix("2024-01-05T00:00"), unix("2040-12-20T00:00")),
    st.lists(
        st.one_of(
            FIXED,
            st.tuples(st.integers(1, 4), st.integers(-180, 180), st.integers(0, 100)),
            st.tuples(st.integers(5, 6), st.just(0), st.integers(0, 100)),
        ),
        max_size=10,
    ),
    st.sampled_from([LONDON, TROMSO, (-338_700, 1_512_100, 600, 0), (900_000, 0, 0, 1)]),
    st.sampled_from([None, True, False]),
    st.integers(0, 200_000),
)
def test_what_holds_holds_until_the_next_control(
    now: int,
    controls: list[tuple[int, int, int]],
    site: tuple[int, int, int, int],
    dark: bool | None,
    since: int,
) -> None:
    def made() -> Schedule:
        return schedule(controls, site, Cell(dark, now - since))

    found = made()
    level, left = found.at(now)
    doubted = found.doubted
    assert left > 0
    for moment in (now + left // 2, now + left - 1):
        again = made()
        again.at(now)
        assert again.at(moment)[0] == level
    if doubted:
        return  # a doubt is kept until the photocell changes its mind, so the order matters
    # Asked in any order, a schedule that remembers answers like one that does not.
    later = found.at(now + left)
    assert later[0] == made().at(now + left)[0]
    if not found.doubted:
        assert found.at(now)[0] == level


def test_the_later_of_two_controls_at_the_same_time_wins() -> None:
    assert schedule([[0, 600, 10], [0, 600, 70]]).at(unix("2026-01-15T11:00"))[0] == 70


def test_an_empty_program_has_no_wish() -> None:
    assert schedule([]).at(unix("2026-01-15T11:00"))[0] is None


def test_polar_night_stays_lit_from_noon_on_and_dims_at_night() -> None:
    assert set(levels(schedule(DUSK_TO_DAWN, TROMSO), "2026-12-20", range(48))) == {100}
    found = levels(schedule(PART_NIGHT, TROMSO), "2026-12-20", range(48), "Europe/Oslo")
    assert 0 not in found
    assert found[23] == found[26] == 50
    assert found[30] == 80
    assert found[20] == 100


def test_a_fixed_time_after_sunrise_does_not_light_the_lamp_for_the_day() -> None:
    # In June the Sun rises in London before five: the control of 05:00 BST comes too late.
    found = levels(schedule(PART_NIGHT), "2026-06-20", range(24), "Europe/London")
    assert found[0:4] == [50] * 4
    assert found[6:21] == [0] * 15
    assert found[23] == 50


def test_a_fixed_time_before_sunset_does_not_light_the_lamp_early() -> None:
    # 20:00 is an hour and more before sunset in June: that step is for the winter.
    steps = [[1, 0, 100], [0, 20 * 60, 60], [0, 23 * 60, 40], [2, 0, 0]]
    summer = levels(schedule(steps), "2026-06-20", range(12, 24), "Europe/London")
    assert summer[:9] == [0] * 9
    assert summer[10:] == [100, 40]
    winter = levels(schedule(steps), "2026-12-20", range(12, 24), "Europe/London")
    assert winter[4:] == [100] * 4 + [60] * 3 + [40]


def test_fixed_times_alone_or_with_only_a_sunrise_are_taken_as_they_stand() -> None:
    evening = schedule([[0, 18 * 60, 100], [2, 0, 0]])
    found = levels(evening, "2026-06-20", range(24), "Europe/London")
    assert found[18:] == [100] * 6
    assert found[6:18] == [0] * 12
    noon = schedule([[0, 12 * 60, 70]])
    assert set(levels(noon, "2026-06-20", range(24))) == {70}


def test_polar_day_puts_the_lamp_out_at_midnight() -> None:
    steps = schedule([[2, 0, 10], [0, 12 * 60, 30]], TROMSO)
    found = levels(steps, "2026-06-20", range(24), "Europe/Oslo")
    assert found == [30] + [10] * 11 + [30] * 12  # 00:45 by the clock is the Sun's midnight


@pytest.mark.parametrize("controls", [DUSK_TO_DAWN, PART_NIGHT])
def test_polar_day_stays_dark_whatever_the_fixed_times_are(controls: list[list[int]]) -> None:
    assert set(levels(schedule(controls, TROMSO), "2026-06-20", range(48))) == {0}


def test_white_nights_stay_at_the_level_of_sunset_where_dusk_does_not_come() -> None:
    helsinki = (605_000, 250_000, 120, 1)
    steps = [[1, 0, 40], [3, 0, 100], [4, 0, 30], [2, 0, 0]]
    found = levels(schedule(steps, helsinki), "2026-06-20", range(12, 36), "Europe/Helsinki")
    assert 100 not in found
    assert {40, 30} < set(found)
    assert found[0] == found[-1] == 0


def test_each_day_into_and_out_of_polar_night_and_day_has_a_sensible_level() -> None:
    found = schedule(DUSK_TO_DAWN, TROMSO)
    for month, lit in (("01-05", 1), ("11-20", 1), ("12-05", 1), ("05-25", 0), ("07-20", 0)):
        for hour in (0, 23):
            level = found.at(unix(f"2026-{month}T{hour:02}:00"))[0]
            assert level == (100 if lit else 0), (month, hour)


def test_a_control_that_never_occurs_leaves_no_wish() -> None:
    assert schedule([[1, 0, 100]], TROMSO).at(unix("2026-06-20T12:00"))[0] is None


# The calendar.

WEEKEND = {
    "programs": [[[1, 0, 90], [0, 60, 70], [2, 0, 0]], [[0, 1080, 5], [0, 480, 0]], [[0, 720, 0]]],
    "calendar": [[127, 1224, 1226, 2], [0x30, 0, 0, 1]],
}


def test_a_nights_small_hours_are_its_evenings_program() -> None:
    found = schedule(PART_NIGHT, **WEEKEND)
    # 2026-01-16 is a Friday: the nights to Saturday and to Sunday are its and Saturday's.
    assert levels(found, "2026-01-16", range(18, 27)) == [90] * 7 + [70] * 2
    assert levels(found, "2026-01-17", range(1, 7)) == [70] * 6
    assert levels(found, "2026-01-18", range(1, 4)) == [70] * 3
    assert levels(found, "2026-01-18", range(18, 27)) == [100] * 5 + [50] * 4
    assert found.program(unix("2026-01-18T11:59")) == 1
    assert found.program(unix("2026-01-18T12:00")) == 0


def test_the_first_rule_wins_and_dates_count_from_noon() -> None:
    found = schedule(PART_NIGHT, **WEEKEND)
    assert levels(found, "2026-12-24", range(12, 36))[7:20] == [5] * 13  # a Thursday
    assert found.at(unix("2026-12-27T07:59"))[0] == 5
    assert found.at(unix("2026-12-27T08:00"))[0] == 0
    assert found.at(unix("2026-12-27T20:00"))[0] == 100


def test_the_last_level_of_a_night_goes_on_into_the_next_ones_first_control() -> None:
    # A program that only ever switches off keeps what the evening before left.
    found = schedule([[0, 1080, 80]], programs=[[[0, 1200, 20]]], calendar=[[0x20, 0, 0, 1]])
    assert levels(found, "2026-01-17", range(12, 30)) == [80] * 8 + [20] * 10
    assert levels(found, "2026-01-18", range(12, 20)) == [20] * 6 + [80] * 2


def test_an_empty_default_program_wishes_for_nothing_from_noon_to_noon() -> None:
    found = schedule([], programs=[[[0, 1080, 80]]], calendar=[[0x20, 0, 0, 1]])
    assert levels(found, "2026-01-17", range(10, 20)) == [None] * 2 + [None] * 6 + [80] * 2
    assert levels(found, "2026-01-18", range(10, 14)) == [80] * 2 + [None] * 2


# The photocell.


def test_the_photocell_lights_the_lamp_and_puts_it_out() -> None:
    cell = Cell(False, unix("2026-01-15T07:40"))
    found = schedule(BY_CELL, cell=cell)
    assert set(levels(found, "2026-01-15", range(8, 17))) == {0}
    cell.decide(True, unix("2026-01-15T16:50"))
    assert found.at(unix("2026-01-15T16:50"))[0] == 100
    assert levels(found, "2026-01-15", range(17, 31)) == [100] * 6 + [50] * 7 + [100]
    cell.decide(False, unix("2026-01-16T07:41"))
    assert found.at(unix("2026-01-16T07:41"))[0] == 0
    assert set(levels(found, "2026-01-16", range(8, 17))) == {0}


def test_a_thunderstorm_lights_the_lamp_and_its_end_puts_it_out() -> None:
    cell = Cell(False, unix("2026-07-15T03:30"))
    found = schedule(BY_CELL, cell=cell)
    cell.decide(True, unix("2026-07-15T15:00"))
    assert found.at(unix("2026-07-15T15:00"))[0] == 100
    cell.decide(False, unix("2026-07-15T15:40"))
    assert found.at(unix("2026-07-15T15:40"))[0] == 0
    cell.decide(True, unix("2026-07-15T20:30"))
    assert levels(found, "2026-07-15", range(21, 26)) == [100] + [50] * 4  # 23:00 BST


def test_a_headlight_in_the_night_does_not_begin_the_night_anew() -> None:
    cell = Cell(True, unix("2026-01-15T16:50"))
    found = schedule(BY_CELL, cell=cell)
    assert found.at(unix("2026-01-16T01:00"))[0] == 50
    cell.decide(False, unix("2026-01-16T01:01"))
    assert found.at(unix("2026-01-16T01:01"))[0] == 50  # the Sun knows better
    assert found.doubted
    cell.decide(True, unix("2026-01-16T01:03"))
    assert found.at(unix("2026-01-16T01:03"))[0] == 50
    assert not found.doubted


def test_after_a_restart_in_the_night_the_step_of_the_hour_holds() -> None:
    cell = Cell(True, unix("2026-01-16T02:01"))
    assert schedule(BY_CELL, cell=cell).at(unix("2026-01-16T02:01"))[0] == 50
    unset = Cell(True, 0)  # decided before the clock was set
    assert schedule(BY_CELL, cell=unset).at(unix("2026-01-16T02:01"))[0] == 50


@pytest.mark.parametrize("cell", [None, Cell(None, 0)])
def test_without_a_photocell_that_knows_the_sun_stands_in(cell: Cell | None) -> None:
    by_sun = [[1, 0, 100], *BY_CELL[1:3], [2, 0, 0]]
    for day in ("2026-01-15", "2026-06-20"):
        hours = levels(schedule(BY_CELL, cell=cell), day, range(36))
        assert hours == levels(schedule(by_sun), day, range(36))


def test_a_photocell_that_dies_in_the_night_changes_nothing() -> None:
    cell = Cell(True, unix("2026-01-15T16:50"))
    found = schedule(BY_CELL, cell=cell)
    assert found.at(unix("2026-01-16T01:00"))[0] == 50
    cell.decide(None, unix("2026-01-16T01:10"))
    assert found.at(unix("2026-01-16T01:10"))[0] == 50
    assert found.at(unix("2026-01-16T06:00"))[0] == 100
    assert found.at(unix("2026-01-16T09:00"))[0] == 0


def test_a_photocell_stuck_in_the_light_does_not_leave_the_street_dark() -> None:
    found = schedule(BY_CELL, cell=Cell(False, unix("2026-01-10T08:00")))
    night = levels(found, "2026-01-15", range(12, 36))
    assert night[6:] == levels(schedule(BY_CELL), "2026-01-15", range(12, 36))[6:]
    # Once found out it is not believed the next evening either.
    assert found.at(unix("2026-01-16T16:40"))[0] == 100


def test_a_photocell_stuck_in_the_dark_does_not_burn_the_day() -> None:
    found = schedule(BY_CELL, cell=Cell(True, unix("2026-06-10T21:00")))
    assert set(levels(found, "2026-06-15", range(9, 20))) == {0}


def test_in_polar_night_the_photocells_dark_day_is_believed() -> None:
    cell = Cell(True, unix("2026-12-01T12:00"))
    found = schedule(BY_CELL, TROMSO, cell)
    assert 0 not in levels(found, "2026-12-20", range(48))
    assert not found.doubted


def test_a_photocell_set_to_bright_levels_may_be_dark_all_day() -> None:
    values = configuration.effective(
        {"lamp/program": BY_CELL, "photocell/on_lux": 5000, "photocell/off_lux": 8000}
    )
    found = Schedule(values, Cell(True, unix("2026-01-14T16:00")))
    assert found.at(unix("2026-01-15T12:30"))[0] == 100


def test_photocell_and_sun_together_whichever_comes_first() -> None:
    both = [[1, 0, 100], [5, 0, 100], [6, 0, 0], [2, 0, 0]]
    cell = Cell(False, unix("2026-01-15T07:30"))
    found = schedule(both, cell=cell)
    assert found.at(unix("2026-01-15T12:00"))[0] == 0
    cell.decide(True, unix("2026-01-15T15:30"))  # before sunset
    assert found.at(unix("2026-01-15T15:30"))[0] == 100
    cell.decide(False, unix("2026-01-15T15:50"))
    assert found.at(unix("2026-01-15T15:50"))[0] == 0
    assert found.at(unix("2026-01-15T16:25"))[0] == 100  # the Sun has set
    cell.decide(True, unix("2026-01-15T16:45"))
    cell.decide(True, unix("2026-01-15T16:46"))
    assert found.at(unix("2026-01-16T07:00"))[0] == 100
    cell.decide(False, unix("2026-01-16T07:30"))  # before sunrise
    assert found.at(unix("2026-01-16T07:30"))[0] == 0
    assert found.at(unix("2026-01-16T08:30"))[0] == 0
    cell.decide(True, unix("2026-01-16T08:40"))  # a storm after sunrise: not within Sun's night
    assert found.at(unix("2026-01-16T08:40"))[0] == 0


def test_an_offset_of_the_sun_bounds_what_the_photocell_may_burn() -> None:
    found = schedule([[5, 0, 100], [2, 30, 0]], cell=Cell(True, unix("2026-01-15T16:50")))
    assert found.at(unix("2026-01-16T08:00"))[0] == 100
    assert found.at(unix("2026-01-16T09:00"))[0] == 0


def test_with_the_clock_unset_the_photocell_alone_decides() -> None:
    assert schedule(DUSK_TO_DAWN).at(0)[0] is None
    for dark, level in ((None, None), (True, 100), (False, 0)):
        assert schedule(DUSK_TO_DAWN, cell=Cell(dark)).at(0)[0] == level


def test_a_photocell_fitted_later_is_heard() -> None:
    found = schedule(BY_CELL)
    now = unix("2026-01-15T16:40")
    assert found.at(now)[0] == 100
    found.photocell = Cell(False, now - 3600)
    assert found.at(now)[0] == 0


# Configurations that are valid and absurd, or only so on some days of the north.


@pytest.mark.parametrize("kinds", [(1, 2), (3, 4)])
def test_offsets_that_leave_nothing_of_a_short_night_leave_the_lamp_off(
    kinds: tuple[int, int],
) -> None:
    # In Stockholm at midsummer the Sun sets at 22:08, dusk is at 23:40, dawn at 02:00.
    stockholm = (593_293, 180_686, 60, 1)
    offset = 80 if kinds == (3, 4) else 180
    steps = [[kinds[0], offset, 100], [0, 60, 40], [kinds[1], -offset, 0]]
    found = schedule(steps, stockholm)
    day = range(12, 36)
    assert set(levels(found, "2026-06-20", day, "Europe/Stockholm")) == {0}
    winter = levels(found, "2026-12-20", day, "Europe/Stockholm")
    assert {100, 40, 0} == set(winter)


def test_a_morning_that_comes_after_noon_does_not_put_out_the_night_that_has_begun() -> None:
    # Tromso's last day before polar night: sunrise at 11:21, sunset at 11:42.
    steps = [[1, -30, 100], [0, 23 * 60, 50], [2, 30, 0]]
    found = schedule(steps, TROMSO)
    day = (datetime.date(2026, 11, 27) - datetime.date(1970, 1, 1)).days
    sunset, sunrise = (sun.event(kind, day, *TROMSO[:3]) for kind in (sun.SUNSET, sun.SUNRISE))
    assert 0 < sunset - sunrise < 3600
    assert set(levels(found, "2026-11-27", range(12, 23), "Europe/Oslo")) == {100}
    assert set(levels(found, "2026-11-28", range(7), "Europe/Oslo")) == {50}


def test_the_photocell_that_saw_the_morning_ends_the_night_of_a_late_sunset() -> None:
    # Sunset and an hour and a half, in the white nights, is after it was light again.
    rovaniemi = (665_039, 257_294, 120, 1)
    cell = Cell(False, unix("2026-05-28T01:00", "Europe/Helsinki"))
    found = schedule([[1, 120, 100], [6, 0, 0]], rovaniemi, cell)
    assert set(levels(found, "2026-05-28", range(2, 20), "Europe/Helsinki")) == {0}


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([LONDON, (665_039, 257_294, 120, 1), (-319_523, 1_158_613, 480, 0)]),
    st.integers(unix("2024-01-05T00:00"), unix("2040-12-20T00:00")),
    st.lists(st.tuples(st.integers(60, 40_000), st.sampled_from([True, False, None])), max_size=20),
)
def test_whatever_a_photocell_says_no_night_is_dark_and_no_day_burns_for_hours(
    site: tuple[int, int, int, int], start: int, said: list[tuple[int, bool | None]]
) -> None:
    cell = Cell()
    found = schedule(BY_CELL, site, cell)
    now = start
    for wait, dark in [*said, (90_000, None)]:
        for moment in range(now, now + wait, 600):
            level = found.at(moment)[0]
            high = sun.altitude(moment, *site[:2])
            if high < -7 and moment - now >= 600:
                assert level, "dark in the night"
            if high > 5 and (not cell.dark or moment - now >= 7200 + 600):
                assert level == 0, "lit by day"
        now += wait
        cell.decide(dark, now)


@settings(max_examples=60, deadline=None)
@given(
    PROGRAM,
    st.sampled_from(sorted(SITES)),
    st.lists(
        st.integers(unix("2025-01-01T00:00"), unix("2100-01-01T00:00") - 1), min_size=2, max_size=8
    ),
)
def test_a_clock_that_jumps_finds_the_level_that_one_set_right_has(
    controls: list[list[int]], zone: str, times: list[int]
) -> None:
    jumping = schedule(controls, SITES[zone])
    for now in [*times, *(at + 3600 for at in times), *(at - 1 for at in times[::-1])]:
        found, left = jumping.at(now)
        assert (found, left > 0) == (schedule(controls, SITES[zone]).at(now)[0], True)

"""Which rule a night matches, against a model that looks at dates the slow way."""

import datetime

from hypothesis import given
from hypothesis import strategies as st

from firmware.node.lamp.calendar import program_of
from protocol import configuration
from tests.unit.lamp import naive

EPOCH = datetime.date(1970, 1, 1)


def night(year: int, month: int, day: int) -> int:
    return (datetime.date(year, month, day) - EPOCH).days


DATES = st.dates(datetime.date(2024, 1, 1), datetime.date(2040, 12, 31))


@st.composite
def rules(draw: st.DrawFn) -> list[int]:
    days = draw(st.one_of(st.just(127), st.integers(1, 127)))
    first, last = sorted(
        date.year * 10_000 + date.month * 100 + date.day for date in draw(st.tuples(DATES, DATES))
    )
    yearly = draw(st.booleans())
    if yearly:
        first, last = draw(st.permutations([first % 10_000, last % 10_000]))
    start, end = draw(st.sampled_from([(first, last), (first, 0), (0, last), (0, 0)]))
    return [days, start, end, draw(st.integers(0, 7))]


@given(DATES, st.lists(rules(), max_size=16))
def test_the_first_rule_that_matches_gives_the_program(
    date: datetime.date, listed: list[list[int]]
) -> None:
    programs = [[[0, 0, 0]]] * 7
    assert configuration.validate({"lamp/calendar": listed, "lamp/programs": programs}) == []
    assert program_of((date - EPOCH).days, listed) == naive.number(date, listed)


def test_without_a_match_it_is_the_default_program() -> None:
    assert program_of(night(2026, 1, 1), []) == 0
    assert program_of(night(2026, 1, 1), [[127, 102, 1231, 5]]) == 0


def test_a_range_may_go_over_the_new_year() -> None:
    rule = [[127, 1224, 106, 3]]
    found = [program_of(night(*date), rule) for date in (
        (2026, 12, 23), (2026, 12, 24), (2026, 12, 31), (2027, 1, 1), (2027, 1, 6), (2027, 1, 7),
    )]  # fmt: skip
    assert found == [0, 3, 3, 3, 3, 0]


def test_the_leap_day_counts_where_there_is_one() -> None:
    rule = [[127, 229, 229, 1]]
    assert program_of(night(2028, 2, 29), rule) == 1
    assert [program_of(night(2027, *date), rule) for date in ((2, 28), (3, 1))] == [0, 0]

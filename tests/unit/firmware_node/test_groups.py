"""Dates as the OS group reads them, and versions as a BOOT record packs them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.groups.os import parse_datetime


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2150, 1, 1)).map(
        lambda at: at.replace(microsecond=0)
    ),
    st.integers(-14 * 60, 14 * 60),
)
def test_every_date_and_zone_is_read(at: datetime, minutes: int) -> None:
    zoned = at.replace(tzinfo=timezone(timedelta(minutes=minutes)))

    assert parse_datetime(zoned.isoformat()) == int(zoned.timestamp())


@pytest.mark.parametrize("tail", ["", "Z", ".25", ".123456Z", "+00:00"])
def test_utc_is_meant_in_every_form(tail: str) -> None:
    expected = int(datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC).timestamp())

    assert parse_datetime("2026-02-28T23:59:59" + tail) == expected


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        "",
        "2026-02-29T00:00:00",
        "2026-13-01T00:00:00",
        "2026-00-01T00:00:00",
        "2026-01-00T00:00:00",
        "2026-01-01T24:00:00",
        "2026-01-01T00:60:00",
        "2026-01-01T00:00:60",
        "2026-01-01X00:00:00",
        "2026-01-01T00:00:00.",
        "2026-01-01T00:00:00+1",
        "2026-01-01T00:00:00+01:0x",
        "2026-1-01T00:00:00Z0",
        "-026-01-01T00:00:00",
        "2026-01-01T00:00:00" + "0" * 30,
    ],
)
def test_what_is_no_date_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="datetime: expected"):
        parse_datetime(text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    # Hypothesis finds no date in thirty characters; what matters is that nothing else is raised.
    with pytest.raises(ValueError, match="datetime: expected"):
        parse_datetime(text)

"""Hours of the week, in UTC and in the local time of the United Kingdom."""

from datetime import UTC, datetime, timedelta

HOURS_A_WEEK = 168
"""Hour 0 is Monday, 00:00 to 01:00."""


def week_hour(seconds: float) -> float:
    """Hours since Monday 00:00 UTC, 0..168, of ``seconds`` of the Unix epoch (a Thursday)."""
    return (seconds / 3600 + 72) % HOURS_A_WEEK


def uk_local(seconds: float) -> float:
    """``seconds`` moved on by an hour while British Summer Time is kept.

    That is from 01:00 UTC on the last Sunday of March to 01:00 UTC on that of October.
    """
    now = datetime.fromtimestamp(seconds, UTC)
    summer = _last_sunday(now.year, 3) <= now < _last_sunday(now.year, 10)
    return seconds + 3600 if summer else seconds


def _last_sunday(year: int, month: int) -> datetime:
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)

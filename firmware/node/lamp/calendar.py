"""Which control program a night has: TALQ's calendar, from noon to noon."""

from . import local


def program_of(night, rules):
    """Number of the control program of a night: that of the first rule that matches, else 0.

    night: day number (since 1970-01-01) of the local date on whose noon the night begins; all of
    the night is that date's, its small hours too. rules: those of lamp/calendar, valid as
    `protocol.configuration` has them.
    """
    if not rules:
        return 0
    weekday = 1 << local.weekday_of(night)
    date = local.date_of(night)
    for days, start, end, program in rules:
        if days & weekday and _between(date, start, end):
            return program
    return 0


def _between(date, start, end):
    """Whether `date` (yyyymmdd) is from `start` to `end`, which are mmdd, yyyymmdd, or 0."""
    if start < 10000 and end < 10000:
        date %= 10000
        if end and start > end:  # over the new year
            return date >= start or date <= end
    return date >= start and (not end or date <= end)

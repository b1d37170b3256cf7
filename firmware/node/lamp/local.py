"""Local time of a site in integers: days, minutes of the day, summer time."""

from protocol.configuration import DST_EU

DAY = 86400
_NOON = 43200

# Of each site/dst from 1: the month and day on or before which the Sunday is that summer time
# begins on, and how many s after that day's midnight of standard time; likewise for its end.
_RULES = (
    (3, 31, 3600, 10, 31, 3600),  # Directive 2000/84/EC, and the UK's: at 01:00 UTC everywhere
    (10, 7, 7200, 4, 7, 7200),
    (9, 30, 7200, 4, 7, 7200),
    (3, 14, 7200, 11, 7, 3600),
)
_BEGINS = 0
_ENDS = 3


def days(year, month, day):
    """Days from 1970-01-01 to a date of the Gregorian calendar, month 3..12."""
    leap_days = year // 4 - year // 100 + year // 400
    return 365 * year + leap_days + (153 * month - 457) // 5 + day - 719469


def year_of(day):
    """The year in which day number `day` (since 1970-01-01) falls."""
    year = 1970 + day * 400 // 146097
    if day >= days(year, 12, 31) + 1:
        return year + 1
    if day <= days(year - 1, 12, 31):
        return year - 1
    return year


def date_of(day):
    """Day number `day` as year * 10000 + month * 100 + day of the month."""
    year = year_of(day)
    since = day - days(year, 3, 1)  # March first, so that the leap day is the last of a year
    if since < 0:
        since = day - days(year - 1, 3, 1)
    month = (5 * since + 2) // 153
    of_month = since - (153 * month + 2) // 5 + 1
    return year * 10000 + (month + 2) % 12 * 100 + 100 + of_month


def weekday_of(day):
    """The weekday of day number `day`, 0 for Monday."""
    return (day + 3) % 7  # day 0 was a Thursday


def _changes(year, which, utc_offset, rule):
    """Unix time in `year` at which summer time begins or ends, by `which`."""
    month, day, at = _RULES[rule - 1][which : which + 3]
    last = days(year, month, day)
    if rule != DST_EU:
        at -= utc_offset * 60
    return (last - (last + 4) % 7) * DAY + at


def summer_time(unix_s, utc_offset, rule):
    """Seconds by which clocks are ahead of standard time at `unix_s`.

    utc_offset: minutes of standard time less UTC. rule: configuration's site/dst.
    """
    if not rule:
        return 0
    year = year_of(unix_s // DAY)
    begins = _changes(year, _BEGINS, utc_offset, rule)
    ends = _changes(year, _ENDS, utc_offset, rule)
    if begins < ends:
        return 3600 if begins <= unix_s < ends else 0
    return 0 if ends <= unix_s < begins else 3600  # in the south it is summer at the new year


def wall(unix_s, utc_offset, rule):
    """What local clocks show at `unix_s`, as seconds since they showed 1970-01-01T00:00.

    utc_offset: minutes.
    """
    return unix_s + utc_offset * 60 + summer_time(unix_s, utc_offset, rule)


def day_of(unix_s, utc_offset, rule):
    """Day number of the local date at `unix_s`; utc_offset in minutes."""
    return wall(unix_s, utc_offset, rule) // DAY


def night_of(unix_s, utc_offset, rule):
    """Day number of the local date on whose noon the night of `unix_s` began."""
    return (wall(unix_s, utc_offset, rule) - _NOON) // DAY


def instant(day, minutes, utc_offset, rule):
    """Unix time at which local clocks show `minutes` after midnight on local day `day`.

    A time that clocks show twice in autumn is the first one; one that they skip in spring is when
    they skip it.
    """
    standard = day * DAY + minutes * 60 - utc_offset * 60
    summer = standard - 3600
    if summer_time(summer, utc_offset, rule):
        return summer
    if summer_time(standard, utc_offset, rule):
        return _changes(year_of(standard // DAY), _BEGINS, utc_offset, rule)
    return standard

"""Local time of a site in integers: days, minutes of the day, the European Union's summer time."""

from protocol.configuration import DST_EU

DAY = 86400


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


def _last_sunday(year, month):
    """Day number of the last Sunday of a month of 31 days."""
    last = days(year, month, 31)
    return last - (last + 4) % 7  # day 0 was a Thursday


def summer_time(unix_s, rule):
    """Seconds by which clocks are ahead of standard time at `unix_s`.

    rule: configuration's site/dst. The EU's summer time is from the last Sunday of March to the
    last of October, at 01:00 UTC everywhere (Directive 2000/84/EC); the UK's is the same.
    """
    if rule != DST_EU:
        return 0
    year = year_of(unix_s // DAY)
    starts = _last_sunday(year, 3) * DAY + 3600
    ends = _last_sunday(year, 10) * DAY + 3600
    return 3600 if starts <= unix_s < ends else 0


def day_of(unix_s, utc_offset, rule):
    """Day number of the local date at `unix_s`; utc_offset in minutes."""
    return (unix_s + utc_offset * 60 + summer_time(unix_s, rule)) // DAY


def instant(day, minutes, utc_offset, rule):
    """Unix time at which local clocks show `minutes` after midnight on local day `day`.

    A time that clocks show twice in autumn is the first one; one that they skip in spring is the
    same time after the same night: an hour later by the clock.
    """
    standard = day * DAY + minutes * 60 - utc_offset * 60
    summer = standard - 3600
    return summer if summer_time(summer, rule) else standard

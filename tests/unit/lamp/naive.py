"""A schedule played minute by minute with the time zone database, to hold the firmware's to.

It knows nothing of the firmware but the Sun's times: it carries a state from minute to minute, and
in each asks which controls of which program are due now.
"""

import datetime
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from firmware.node.lamp import sun

EPOCH = datetime.date(1970, 1, 1)
SETTING = (1, 3)
RISING = (2, 4)
# For so many nights a level goes on where no control gives another.
REMEMBERED = 2


def number(date: datetime.date, rules: list[list[int]]) -> int:
    """The program of a night, by counting through every date of a rule."""
    for days, start, end, program in rules:
        if not days >> date.weekday() & 1:
            continue
        if start > 1231 or end > 1231:
            first = _date(start) if start else datetime.date.min
            last = _date(end) if end else datetime.date.max
            matches = first <= date <= last
        else:
            yearly: set[tuple[int, int]] = set()
            at, stop = start or 101, end or 1231
            while True:  # through all dates of a leap year, over the new year if need be
                yearly.add((at // 100, at % 100))
                if at == stop:
                    break
                following = datetime.date(2024, at // 100, at % 100) + datetime.timedelta(1)
                at = following.month * 100 + following.day
            matches = (date.month, date.day) in yearly
        if matches:
            return program
    return 0


def _date(written: int) -> datetime.date:
    return datetime.date(written // 10_000, written // 100 % 100, written % 100)


def _by_sun(kind: int, evening: datetime.date, site: tuple[int, int, int]) -> int | None:
    """When the Sun does it in a night, or where it would have, had it only just not."""
    day = (evening - EPOCH).days + (kind in RISING)
    when = sun.event(kind, day, *site)
    if when == sun.STAYS_UP:
        return sun.noon(day, *site[1:]) - 43_200 if kind in RISING else None
    if when == sun.STAYS_DOWN:
        return None if kind in RISING else sun.noon(day, *site[1:])
    return when


def played(
    values: dict[str, Any], zone: str, start: datetime.datetime, days: int
) -> Iterator[tuple[int, int | None]]:
    """(Unix time, level) of each minute from `start`, local and at a noon, three days settled in.

    Programs of fixed times and of the Sun. A minute in which the Sun does something is left out:
    the firmware knows the second.
    """
    info = ZoneInfo(zone)
    site = (values["site/latitude"], values["site/longitude"], values["site/utc_offset"])
    listed = [values["lamp/program"], *values["lamp/programs"]]
    nights = [start.date() + datetime.timedelta(night) for night in range(days + 1)]
    programs = [listed[number(evening, values["lamp/calendar"])] for evening in nights]
    trims = [
        any(kind in SETTING and value for kind, _, value in program)
        and any(kind in RISING and not value for kind, _, value in program)
        for program in programs
    ]
    # What the Sun does, all nights together: a night's may come in the one before or after it.
    coming: list[tuple[int, int, int]] = []
    for night, evening in enumerate(nights):
        mine: list[tuple[int, int]] = []
        for index, (kind, minutes, _) in enumerate(programs[night]):
            when = _by_sun(kind, evening, site) if kind else None
            if when is not None:
                mine.append((when + minutes * 60, index))
        ends = [at for at, at_index in mine if _ends(programs[night][at_index])]
        for at, index in mine:
            if ends and _lights(programs[night][index]) and at >= max(ends):
                continue  # between sunset and sunrise, with their offsets, there is nothing
            coming.append((at, night, index))
    edges = [at for at, _, _ in coming]
    coming.sort()

    level, given, lit = None, 0, -1
    when = int(start.replace(tzinfo=info).timestamp())
    for night, evening in enumerate(nights[:days]):
        morning = evening + datetime.timedelta(1)
        noon = int(datetime.datetime.combine(morning, datetime.time(12), info).timestamp())
        program = programs[night]
        if not program:
            level = None
        due = {index for index in range(len(program)) if program[index][0] == 0}
        while when < noon:
            wall = datetime.datetime.fromtimestamp(when, info)
            shown = (wall.date() - evening).days * 1440 + wall.hour * 60 + wall.minute
            happening: list[tuple[int, int, int, int]] = []
            while coming and coming[0][0] <= when:
                at, of, index = coming.pop(0)
                happening.append((at, of, index, index))
            for index in sorted(due):
                minutes = program[index][1]
                nominal = minutes if minutes >= 720 else minutes + 1440
                if shown >= nominal:
                    due.discard(index)
                    # Those skipped together come in the order of the clock they skipped.
                    happening.append((when, night, nominal * 100 + index, index))
            for _, of, _, index in sorted(happening):
                control = programs[of][index]
                if of < lit or (control[0] == 0 and trims[of] and lit != of):
                    continue
                if _lights(control):
                    lit = of
                elif _ends(control):
                    lit = -1
                level, given = control[2], of
            if night - given > REMEMBERED:
                level = None
            if not any(abs(edge - when) < 60 for edge in edges):
                yield when, level
            when += 60


def _lights(control: list[int]) -> bool:
    return control[0] in SETTING and control[2] > 0


def _ends(control: list[int]) -> bool:
    return control[0] in RISING and control[2] == 0

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


def _number(date: datetime.date, rules: list[list[int]]) -> int:
    """Rules here are without dates: what dates match is another test's."""
    for days, _, _, program in rules:
        if days >> date.weekday() & 1:
            return program
    return 0


def played(
    values: dict[str, Any], zone: str, start: datetime.datetime, days: int
) -> Iterator[tuple[int, int | None]]:
    """(Unix time, level) of each minute from `start`, local and at a noon, three days settled in.

    Programs of fixed times and of sunset and sunrise, or dusk and dawn, where these occur. A minute
    in which the Sun does something is left out: the firmware knows the second.
    """
    info = ZoneInfo(zone)
    site = (values["site/latitude"], values["site/longitude"], values["site/utc_offset"])
    listed = [values["lamp/program"], *values["lamp/programs"]]
    when = int(start.replace(tzinfo=info).timestamp())
    level: int | None = None
    date = start.date()
    for night in range(days):
        evening = date + datetime.timedelta(night)
        morning = evening + datetime.timedelta(1)
        program = listed[_number(evening, values["lamp/calendar"])]
        noon = int(datetime.datetime.combine(morning, datetime.time(12), info).timestamp())
        lit = not (
            any(kind in SETTING and value for kind, _, value in program)
            and any(kind in RISING and not value for kind, _, value in program)
        )
        events = {}
        for index, (kind, minutes, _) in enumerate(program):
            if kind:
                of = evening if kind in SETTING else morning
                day = (of - EPOCH).days
                events[index] = sun.event(kind, day, *site) + minutes * 60
        if not program:
            level = None
        due = {index for index in range(len(program)) if index not in events}
        fresh = when
        while when < noon:
            wall = datetime.datetime.fromtimestamp(when, info)
            shown = (wall.date() - evening).days * 1440 + wall.hour * 60 + wall.minute
            happening: list[tuple[int, int]] = []
            for index, (kind, minutes, _) in enumerate(program):
                if kind:
                    if fresh <= events[index] <= when:
                        happening.append((events[index], index))
                elif index in due:
                    nominal = minutes if minutes >= 720 else minutes + 1440
                    if shown >= nominal:
                        due.discard(index)
                        # Those skipped together come in the order of the clock they skipped.
                        happening.append((when, nominal * 100 + index))
            for _, index in sorted(happening):
                kind, _, value = program[index % 100]
                if kind in SETTING and value:
                    lit = True
                if kind or lit:
                    level = value
                trims = any(k in SETTING and v for k, _, v in program)
                if kind in RISING and not value and trims:
                    lit = False
            if not any(abs(event - when) < 60 for event in events.values()):
                yield when, level
            fresh = when + 1
            when += 60

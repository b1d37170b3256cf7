"""Control programs, their calendar and curves as people write them."""

import re
from collections.abc import Callable
from typing import Any, Final, cast

from fleet_cli.configuration.units import ValueProblem, parse_duration_ms
from protocol import configuration

_EVENTS: Final = {name: kind for kind, name in enumerate(configuration.CONTROLS) if kind != 0}
_WITH_OFFSET: Final = [name for name, kind in _EVENTS.items() if kind < configuration.PHOTOCELL_ON]
_OF_CELL: Final = [name for name, kind in _EVENTS.items() if kind >= configuration.PHOTOCELL_ON]
_CONTROL_WORDS: Final = (
    '"TIME LEVEL%" with TIME as "23:00", or one of '
    + ", ".join(_WITH_OFFSET)
    + f' with an offset of up to {configuration.MAX_OFFSET}min: "sunset-15min 100%", or '
    + " or ".join(_OF_CELL)
)
_CONTROL = re.compile(
    r"(?:(?P<hour>\d{1,2}):(?P<minute>\d{2})|(?P<event>photocell-(?:on|off)|[a-z]+)"
    r"(?:\s*(?P<sign>[+-])\s*(?P<offset>\d{1,9}\s*(?:min|h)))?)\s+(?P<level>\d{1,3})\s*%?"
)

PROGRAM_WORDS: Final = (
    f"a list of at most {configuration.MAX_CONTROLS} controls, each {_CONTROL_WORDS}"
)
PROGRAMS_WORDS: Final = (
    f"a list of at most {configuration.MAX_PROGRAMS} programs, each {PROGRAM_WORDS}"
)


def _listed(written: Any, most: int, things: str, words: str) -> list[Any]:
    if not isinstance(written, list):
        raise ValueProblem(f"expected {words}")
    items = cast(list[Any], written)
    if len(items) > most:
        raise ValueProblem(f"expected at most {most} {things}, got {len(items)}")
    return items


def parse_control(written: Any) -> list[int]:
    """[kind, minutes, level %] of one control of a program.

    Raises:
        ValueProblem: it is of another form, or out of bounds.
    """
    found = _CONTROL.fullmatch(written.strip().lower()) if isinstance(written, str) else None
    if found is None:
        raise ValueProblem(f"control {written!r}: expected {_CONTROL_WORDS}")
    level = int(found["level"])
    if level > 100:
        raise ValueProblem(f"control {written!r}: expected a level of 0% to 100%")
    if found["event"] is None:
        hour, minute = int(found["hour"]), int(found["minute"])
        if hour > 23 or minute > 59:
            raise ValueProblem(f"control {written!r}: expected a time of 00:00 to 23:59")
        return [configuration.FIXED_TIME, hour * 60 + minute, level]
    kind = _EVENTS.get(found["event"])
    if kind is None:
        raise ValueProblem(
            f"control {written!r}: expected one of {', '.join(_EVENTS)}, got {found['event']!r}"
        )
    minutes = (parse_duration_ms(found["offset"]) or 0) // 60_000
    if kind >= configuration.PHOTOCELL_ON and found["offset"] is not None:
        raise ValueProblem(
            f"control {written!r}: expected no offset, the photocell has its own delay "
            "(photocell.delay)"
        )
    if minutes > configuration.MAX_OFFSET:
        raise ValueProblem(
            f"control {written!r}: expected an offset of at most {configuration.MAX_OFFSET}min"
        )
    return [kind, -minutes if found["sign"] == "-" else minutes, level]


def format_control(control: list[int]) -> str:
    """One control as it is written in the file."""
    kind, minutes, level = control
    if kind == configuration.FIXED_TIME:
        return f"{minutes // 60:02d}:{minutes % 60:02d} {level}%"
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes)}min" if minutes else ""
    return f"{configuration.CONTROLS[kind]}{offset} {level}%"


def parse_program(written: Any) -> list[list[int]]:
    """The controls of a program.

    Raises:
        ValueProblem: as `parse_control` does.
    """
    controls = _listed(written, configuration.MAX_CONTROLS, "controls", PROGRAM_WORDS)
    return [parse_control(control) for control in controls]


def parse_programs(written: Any) -> list[list[list[int]]]:
    """Further programs, in the order of their numbers from 1.

    Raises:
        ValueProblem: as `parse_control` does, with the program's number.
    """
    programs: list[list[list[int]]] = []
    listed = _listed(written, configuration.MAX_PROGRAMS, "programs", PROGRAMS_WORDS)
    for number, program in enumerate(listed, start=1):
        try:
            programs.append(parse_program(program))
        except ValueProblem as error:
            raise ValueProblem(f"program {number}: {error}") from error
        if not programs[-1]:
            raise ValueProblem(f'program {number}: expected a control such as "12:00 0%", got none')
    return programs


_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RULE_WORDS: Final = (
    '"DAYS DATES program N" with DAYS as "mon-fri" or "sat,sun", left out for every day, DATES as '
    '"12-24..01-06" each year or "2026-12-24..2027-01-06" once, or a single date, left out for '
    "every date, and N as 0 for lamp.program or the number of one of lamp.programs"
)
CALENDAR_WORDS: Final = f"a list of at most {configuration.MAX_RULES} rules, each {_RULE_WORDS}"
_RULE = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:[-,][a-z]{3})*)\s+)?"
    r"(?:(?P<start>[\d-]+)?(?P<to>\.\.)?(?P<end>[\d-]+)?\s+)?program\s+(?P<program>\d{1,3})"
)
_DATE = re.compile(r"(?:(\d{4})-)?(\d{2})-(\d{2})")


def parse_rule(written: Any) -> list[int]:
    """[days, start, end, program] of one rule of a calendar.

    Raises:
        ValueProblem: it is of another form, or out of bounds.
    """
    found = _RULE.fullmatch(written.strip().lower()) if isinstance(written, str) else None
    if found is None:
        raise ValueProblem(f"rule {written!r}: expected {_RULE_WORDS}")
    try:
        days = _parse_days(found["days"]) if found["days"] else configuration.EVERY_DAY
        start = _parse_date(found["start"])
        end = _parse_date(found["end"]) if found["to"] else start
    except ValueProblem as error:
        raise ValueProblem(f"rule {written!r}: {error}") from error
    if start and end and (start > 1231) != (end > 1231):
        raise ValueProblem(
            f"rule {written!r}: expected both dates with a year, or both without one"
        )
    if start > end > 1231:
        raise ValueProblem(f"rule {written!r}: expected the last date not to be before the first")
    program = int(found["program"])
    if program > configuration.MAX_PROGRAMS:
        raise ValueProblem(
            f"rule {written!r}: expected program 0 to {configuration.MAX_PROGRAMS}, got {program}"
        )
    return [days, start, end, program]


def _parse_days(text: str) -> int:
    mask = 0
    for part in text.split(","):
        names = part.split("-")
        for name in names:
            if name not in _DAYS:
                raise ValueProblem(f"expected days as {', '.join(_DAYS)}, got {name!r}")
        if len(names) > 2:
            raise ValueProblem(f'expected a range of days such as "mon-fri", got {part!r}')
        at, last = _DAYS.index(names[0]), _DAYS.index(names[-1])
        mask |= 1 << at
        while at != last:  # a range may go over the end of the week
            at = (at + 1) % 7
            mask |= 1 << at
    return mask


def _parse_date(text: str | None) -> int:
    if text is None:
        return 0
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueProblem(f'expected a date such as "12-24" or "2026-12-24", got {text!r}')
    date = int(found[1] or 0) * 10_000 + int(found[2]) * 100 + int(found[3])
    if not date or not configuration.is_date(date) or found[1] == "0000":
        raise ValueProblem(f"expected a date that exists, of 2000 to 2099, got {text!r}")
    return date


def _format_date(date: int) -> str:
    if not date:
        return ""
    year = f"{date // 10_000}-" if date > 1231 else ""
    return f"{year}{date // 100 % 100:02d}-{date % 100:02d}"


def _format_days(mask: int) -> str:
    runs: list[list[str]] = []
    for at, name in enumerate(_DAYS):
        if not mask >> at & 1:
            continue
        if at and mask >> (at - 1) & 1:
            runs[-1].append(name)
        else:
            runs.append([name])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(run) for run in runs)


def format_rule(rule: list[int]) -> str:
    """One rule as it is written in the file."""
    days, start, end, program = rule
    words: list[str] = []
    if days != configuration.EVERY_DAY:
        words.append(_format_days(days))
    if start or end:
        one = start == end
        words.append(_format_date(start) if one else f"{_format_date(start)}..{_format_date(end)}")
    return " ".join([*words, f"program {program}"])


def parse_calendar(written: Any) -> list[list[int]]:
    """The rules of a calendar.

    Raises:
        ValueProblem: as `parse_rule` does.
    """
    rules = _listed(written, configuration.MAX_RULES, "rules", CALENDAR_WORDS)
    return [parse_rule(rule) for rule in rules]


_POINT = re.compile(r"(\d{1,7})\s*h\s+(\d{1,3})\s*%?")
_POINT_WORDS: Final = '"HOURS LEVEL%" such as "20000h 85%", hours rising'
CURVE_WORDS: Final = f"a list of at most {configuration.MAX_POINTS} points, each {_POINT_WORDS}"


def parse_curve(written: Any) -> list[list[int]]:
    """The [hours, percent] points of a curve.

    Raises:
        ValueProblem: it is of another form, or out of bounds.
    """
    points: list[list[int]] = []
    for point in _listed(written, configuration.MAX_POINTS, "points", CURVE_WORDS):
        found = _POINT.fullmatch(point.strip().lower()) if isinstance(point, str) else None
        if found is None:
            raise ValueProblem(f"point {point!r}: expected {_POINT_WORDS}")
        hours, percent = int(found[1]), int(found[2])
        low = points[-1][0] + 1 if points else 0
        if not low <= hours <= configuration.MAX_HOURS:
            raise ValueProblem(f"point {point!r}: expected {low}h to {configuration.MAX_HOURS}h")
        if not 1 <= percent <= 100:
            raise ValueProblem(f"point {point!r}: expected 1% to 100%")
        points.append([hours, percent])
    return points


def format_point(point: list[int]) -> str:
    """One point of a curve as it is written in the file."""
    return f"{point[0]}h {point[1]}%"


def format_list(items: list[Any], form: Callable[[Any], str]) -> str:
    """Items for a reader."""
    return ", ".join(form(item) for item in items) or "(none)"


def toml_list(items: list[Any], form: Callable[[Any], str]) -> str:
    """Items as a TOML array of strings."""
    return "[" + ", ".join(f'"{form(item)}"' for item in items) + "]"


def format_programs(programs: list[list[list[int]]]) -> str:
    """Further programs for a reader, with their numbers."""
    listed = (
        f"{number}: {format_list(program, format_control)}"
        for number, program in enumerate(programs, start=1)
    )
    return "; ".join(listed) or "(none)"


def toml_programs(programs: list[list[list[int]]]) -> str:
    """Further programs as a TOML array of arrays."""
    return "[" + ", ".join(toml_list(program, format_control) for program in programs) + "]"

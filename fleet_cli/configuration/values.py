"""One configuration value as people write it ("15min", "sunset 100%") and as a lamppost has it.

How a field is written follows from its unit in `protocol.configuration.FIELDS`, so that a new field
needs nothing here unless its unit is new.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from protocol import configuration


class ValueProblem(ValueError):
    """A value cannot be used; the message says what was expected."""


@dataclass(frozen=True)
class Field:
    """One field of the configuration, with its name in the file.

    Attributes:
        name: on the link, such as lamp/fade_ms.
        section: its section in the file.
        key: its key there: the name without its unit.
        kind: configuration.INTEGER or PROGRAM.
        unit: on the link.
        low: lowest value on the link.
        high: highest value on the link.
        default: on the link.
        help: what it is.
    """

    name: str
    section: str
    key: str
    kind: str
    unit: str
    low: int
    high: int
    default: Any
    help: str

    def parse(self, written: Any) -> Any:
        """The value on the link of what stands in the file.

        Raises:
            ValueProblem: it is of another form, or out of bounds.
        """
        if self.kind == configuration.PROGRAM:
            return _parse_program(written, self.high)
        value = _FORMS[self.unit].parse(written)
        if value is None or not self.low <= value <= self.high:
            raise ValueProblem(f"expected {self.expected}")
        return value

    def format(self, value: Any) -> str:
        """A value on the link as it would be written in the file, without quotes."""
        if self.kind == configuration.PROGRAM:
            return ", ".join(format_control(control) for control in value) or "(none)"
        return _FORMS[self.unit].format(value)

    def toml(self, value: Any) -> str:
        """A value on the link as TOML."""
        if self.kind == configuration.PROGRAM:
            return "[" + ", ".join(f'"{format_control(control)}"' for control in value) + "]"
        text = self.format(value)
        return text if _FORMS[self.unit].bare else f'"{text}"'

    @property
    def expected(self) -> str:
        """What may stand there, with the bounds."""
        if self.kind == configuration.PROGRAM:
            return f"a list of at most {self.high} controls, {_CONTROL_FORM}"
        form = _FORMS[self.unit]
        if form.choices:
            return form.words
        return f"{form.words}, {form.format(self.low)} to {form.format(self.high)}"


@dataclass(frozen=True)
class _Form:
    """How a unit is written: parse gives None for what it cannot read."""

    parse: Callable[[Any], int | None]
    format: Callable[[int], str]
    words: str
    bare: bool = False
    choices: bool = False


_DURATION = re.compile(r"(\d{1,9})\s*(ms|s|min|h|d)")
_MILLISECONDS: Final = {"d": 86_400_000, "h": 3_600_000, "min": 60_000, "s": 1000, "ms": 1}


def parse_duration_ms(written: Any) -> int | None:
    """Milliseconds of "3s", "500ms", "15min", "1h" or "2d"; None for anything else."""
    found = _DURATION.fullmatch(written.strip()) if isinstance(written, str) else None
    return int(found[1]) * _MILLISECONDS[found[2]] if found else None


def format_duration_ms(value: int) -> str:
    """The shortest of the forms above that is exact."""
    if value == 0:
        return "0s"
    unit = next(unit for unit, size in _MILLISECONDS.items() if value % size == 0)
    return f"{value // _MILLISECONDS[unit]}{unit}"


def parse_duration_s(written: Any) -> int | None:
    """Whole seconds of a duration; None for anything else."""
    value = parse_duration_ms(written)
    return value // 1000 if value is not None and value % 1000 == 0 else None


def parse_percent(written: Any) -> int | None:
    """50 of 50, "50" or "50%"; None for anything else."""
    if isinstance(written, str):
        found = re.fullmatch(r"(\d{1,3})\s*%?", written.strip())
        return int(found[1]) if found else None
    return written if _is_integer(written) else None


def _parse_degrees(written: Any) -> int | None:
    if not _is_integer(written) and not isinstance(written, float):
        return None
    number = float(written) if abs(written) <= 360 else math.inf
    return round(number * 10_000) if math.isfinite(number) else None


def _format_degrees(value: int) -> str:
    sign, whole = ("-" if value < 0 else ""), abs(value)
    return f"{sign}{whole // 10_000}.{whole % 10_000:04d}"


def _parse_offset(written: Any) -> int | None:
    if not isinstance(written, str):
        return None
    found = re.fullmatch(r"([+-])(\d{1,2})(?::([0-5]\d)|h)", written.strip())
    if not found:
        return None
    minutes = int(found[2]) * 60 + int(found[3] or 0)
    return -minutes if found[1] == "-" else minutes


def _format_offset(value: int) -> str:
    return f"{'-' if value < 0 else '+'}{abs(value) // 60:02d}:{abs(value) % 60:02d}"


_DST: Final = {"none": configuration.DST_NONE, "eu": configuration.DST_EU}


def _parse_dst(written: Any) -> int | None:
    return _DST.get(written.lower()) if isinstance(written, str) else None


_FORMS: Final[dict[str, _Form]] = {
    "1e-4 degree": _Form(_parse_degrees, _format_degrees, "degrees as a number", bare=True),
    "min": _Form(_parse_offset, _format_offset, 'an offset such as "+01:00"'),
    "code": _Form(
        _parse_dst,
        {code: name for name, code in _DST.items()}.__getitem__,
        '"none" or "eu"',
        choices=True,
    ),
    "%": _Form(parse_percent, lambda value: f"{value}%", 'a level such as 50 or "50%"'),
    "ms": _Form(parse_duration_ms, format_duration_ms, 'a time such as "3s" or "500ms"'),
    "s": _Form(
        parse_duration_s,
        lambda value: format_duration_ms(value * 1000),
        'a time in whole seconds such as "90s", "15min" or "1h"',
    ),
}

_EVENTS: Final = {name: kind for kind, name in enumerate(configuration.CONTROLS) if kind != 0}
_CONTROL_FORM: Final = (
    'each "TIME LEVEL%" with TIME as "23:00" or one of '
    + ", ".join(_EVENTS)
    + f' with an offset of up to {configuration.MAX_OFFSET}min: "sunset-15min 100%"'
)
_CONTROL = re.compile(
    r"(?:(?P<hour>\d{1,2}):(?P<minute>\d{2})|(?P<event>[a-z]+)"
    r"(?:\s*(?P<sign>[+-])\s*(?P<offset>\d{1,9}\s*(?:min|h)))?)\s+(?P<level>\d{1,3})\s*%?"
)


def parse_control(written: Any) -> list[int]:
    """[kind, minutes, level %] of one control of a program.

    Raises:
        ValueProblem: it is of another form, or out of bounds.
    """
    found = _CONTROL.fullmatch(written.strip().lower()) if isinstance(written, str) else None
    if found is None:
        raise ValueProblem(f"control {written!r}: expected {_CONTROL_FORM.removeprefix('each ')}")
    level = int(found["level"])
    if level > 100:
        raise ValueProblem(f"control {written!r}: expected a level of 0% to 100%")
    if found["event"] is None:
        hour, minute = int(found["hour"]), int(found["minute"])
        if hour > 23 or minute > 59:
            raise ValueProblem(f"control {written!r}: expected a time of 00:00 to 23:59")
        return [configuration.FIXED_TIME, hour * 60 + minute, level]
    if found["event"] not in _EVENTS:
        raise ValueProblem(
            f"control {written!r}: expected one of {', '.join(_EVENTS)}, got {found['event']!r}"
        )
    minutes = (parse_duration_ms(found["offset"]) or 0) // 60_000
    if minutes > configuration.MAX_OFFSET:
        raise ValueProblem(
            f"control {written!r}: expected an offset of at most {configuration.MAX_OFFSET}min"
        )
    return [_EVENTS[found["event"]], -minutes if found["sign"] == "-" else minutes, level]


def format_control(control: list[int]) -> str:
    """One control as it is written in the file."""
    kind, minutes, level = control
    if kind == configuration.FIXED_TIME:
        return f"{minutes // 60:02d}:{minutes % 60:02d} {level}%"
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes)}min" if minutes else ""
    return f"{configuration.CONTROLS[kind]}{offset} {level}%"


def _parse_program(written: Any, most: int) -> list[list[int]]:
    if not isinstance(written, list):
        raise ValueProblem(f"expected a list of at most {most} controls, {_CONTROL_FORM}")
    controls = cast(list[Any], written)
    if len(controls) > most:
        raise ValueProblem(f"expected at most {most} controls, got {len(controls)}")
    return [parse_control(control) for control in controls]


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _field(row: tuple[str, str, str, int, int, Any, str]) -> Field:
    section, _, key = row[0].partition("/")
    # The unit is written with the value, so the name in the file goes without it.
    return Field(row[0], section, key.removesuffix("_ms"), *row[1:])


FIELDS: Final[tuple[Field, ...]] = tuple(_field(row) for row in configuration.FIELDS)
BY_NAME: Final[dict[str, Field]] = {field.name: field for field in FIELDS}
BY_KEY: Final = {(field.section, field.key): field for field in FIELDS}

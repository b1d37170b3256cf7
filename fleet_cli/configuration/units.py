"""Single values of a configuration as people write them, by their unit.

A unit that is not listed here is a number with it, such as "75.5W" for "0.1 W": a new one needs
nothing here.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast


class ValueProblem(ValueError):
    """A value cannot be used; the message says what was expected."""


@dataclass(frozen=True)
class Form:
    """How a unit is written.

    Attributes:
        parse: the value on the link, None for what it cannot read.
        format: a value on the link as text.
        words: what is expected.
        bare: whether the text stands in TOML as it is, without quotes.
        whole: whether `words` say all, bounds included.
    """

    parse: Callable[[Any], int | None]
    format: Callable[[int], str]
    words: str
    bare: bool = False
    whole: bool = False


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
    return written if is_integer(written) else None


def is_integer(value: Any) -> bool:
    """Whether it is an integer and no boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def _parse_degrees(written: Any) -> int | None:
    if not is_integer(written) and not isinstance(written, float):
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


def _parse_flag(written: Any) -> int | None:
    return int(written) if isinstance(written, bool) else None


def _parse_bits(written: Any) -> int | None:
    if not isinstance(written, list):
        return None
    bits = 0
    for number in cast(list[Any], written):
        if not is_integer(number) or not 1 <= number <= 16:
            return None
        bits |= 1 << (number - 1)
    return bits


def _format_bits(value: int) -> str:
    return "[" + ", ".join(str(bit + 1) for bit in range(16) if value >> bit & 1) + "]"


_FORMS: Final[dict[str, Form]] = {
    "1e-4 degree": Form(_parse_degrees, _format_degrees, "degrees as a number", bare=True),
    "min": Form(_parse_offset, _format_offset, 'an offset such as "+01:00"'),
    "%": Form(parse_percent, lambda value: f"{value}%", 'a level such as 50 or "50%"'),
    "ms": Form(parse_duration_ms, format_duration_ms, 'a time such as "3s" or "500ms"'),
    "s": Form(
        parse_duration_s,
        lambda value: format_duration_ms(value * 1000),
        'a time in whole seconds such as "90s", "15min" or "1h"',
    ),
    "flag": Form(
        _parse_flag,
        lambda value: "true" if value else "false",
        "true or false",
        bare=True,
        whole=True,
    ),
    "bits": Form(
        _parse_bits, _format_bits, "a list of numbers 1 to 16, or []", bare=True, whole=True
    ),
}

# The names of codes, in their order from 0.
_CODES: Final[dict[str, tuple[str, ...]]] = {
    "site/dst": ("none", "eu", "au", "nz", "us"),
    "parts/output": ("board", "pwm", "dali"),
    "parts/air": ("board", "none", "pms5003", "pms3003", "sds011", "sps30", "sen5x"),
    "parts/climate": ("board", "none", "bme280", "sen5x"),
    "parts/gas": ("board", "none", "no2"),
    "parts/people": ("board", "none", "vl53l1x"),
    "parts/presence": ("board", "none", "pir", "ld2410", "footfall"),
    "parts/meter": ("board", "none", "bl0942", "cse7766", "hlw8012", "bl0937"),
    "parts/photocell": ("board", "none", "adc"),
    "air/correction": ("none", "epa", "kappa-koehler"),
}


def _named(names: tuple[str, ...]) -> Form:
    codes = {name: code for code, name in enumerate(names)}
    *others, last = (f'"{name}"' for name in names)
    return Form(
        lambda written: codes.get(written.lower()) if isinstance(written, str) else None,
        names.__getitem__,
        f"{', '.join(others)} or {last}",
        whole=True,
    )


_SCALED = re.compile(r"(?:(1|0\.0*1)(?: |$))?(.*)")
_NUMBER = r"-?\d{1,12}(?:\.\d{1,6})?"


def _number(unit: str) -> Form:
    """A number with its unit, of which the link has whole steps such as "0.1 W"."""
    found = _SCALED.fullmatch(unit)
    step, name = (found[1], found[2]) if found else (None, unit)
    decimals = len(step) - 2 if step and step != "1" else 0
    text = re.compile(rf"({_NUMBER})\s*(?:{re.escape(name)})?")

    def parse(written: Any) -> int | None:
        if isinstance(written, str):
            match = text.fullmatch(written.strip())
            if match is None:
                return None
            number = float(match[1])
        elif is_integer(written) or isinstance(written, float):
            number = float(written) if abs(written) < 1e9 else math.inf
        else:
            return None
        scaled = number * 10**decimals
        if not math.isfinite(scaled) or abs(scaled - round(scaled)) > 1e-6:
            return None
        return round(scaled)

    def form(value: int) -> str:
        if not decimals:
            return f"{value}{name}"
        whole, part = divmod(abs(value), 10**decimals)
        digits = f"{part:0{decimals}d}".rstrip("0")
        return f"{'-' if value < 0 else ''}{whole}{'.' + digits if digits else ''}{name}"

    example = f'such as "{form(15)}"' if name else f"such as {form(15)}"
    return Form(parse, form, f"a number {example}", bare=not name)


def form_of(name: str, unit: str) -> Form:
    """How the integer field `name`, in `unit` on the link, is written."""
    if name in _CODES:
        return _named(_CODES[name])
    if unit == "code":
        return Form(
            lambda written: written if is_integer(written) else None, str, "a code", bare=True
        )
    return _FORMS[unit] if unit in _FORMS else _number(unit)

"""Records as an outlet tells them: named values in their units."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from gateway.buffer.rows import Row
from protocol import records
from protocol.errors import ProtocolError

_FACTOR = re.compile(r"(0\.\d+) (.+)")
_UNITS = {"ug/m3": "µg/m³", "C": "°C"}
# What a part does not measure is 0 in these, which is no reading.
_ZERO_IS_NONE = frozenset({"pressure", "voc", "nox"})


class Reading(NamedTuple):
    """One record.

    time: Unix seconds at the end of what it covers, None where the lamppost had no time yet;
    values: field to number in the unit that `unit` gives.
    """

    node: bytes
    kind: str
    time: int | None
    values: dict[str, int | float]


def readings(rows: Iterable[Row]) -> list[Reading]:
    """The readings in `rows`; records of kinds this gateway does not know are left out."""
    found: list[Reading] = []
    for row in rows:
        try:
            kind, time, values = records.decode(row.body)
        except ProtocolError:
            continue
        name, fields = records.KINDS[kind]
        flags = dict(zip((field[0] for field in fields), values, strict=False)).get("flags", 0)
        shown = {
            field: _scaled(unit, value)
            for (field, unit, _, _), value in zip(fields, values, strict=False)
            if not (value == 0 and field in _ZERO_IS_NONE)
            and not (field == "pm1" and flags & records.FLAG_NO_PM1)
        }
        found.append(Reading(row.node, name, time if time >= records.CLOCK_EPOCH else None, shown))
    return found


def unit(kind: str, field: str) -> str:
    """The unit of a field's values, "" for codes, counts and flags. Raises KeyError."""
    for name, fields in records.KINDS.values():
        if name == kind:
            for known, written, _, _ in fields:
                if known == field:
                    match = _FACTOR.fullmatch(written)
                    plain = match[2] if match else written
                    return "" if plain in _NO_UNITS else _UNITS.get(plain, plain)
    raise KeyError(f"{kind}.{field}")


_NO_UNITS = frozenset(
    {"code", "packed", "number", "flag", "bits", "count", "samples", "people", "records", "index"}
)


def _scaled(written: str, value: int) -> int | float:
    match = _FACTOR.fullmatch(written)
    if match is None:
        return value
    decimals = len(match[1]) - 2
    return round(value * float(match[1]), decimals)

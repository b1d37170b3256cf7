"""Records as columns: names carry the unit, values are in it.

A field's unit in `protocol.records.KINDS` may have a factor ("0.1 ug/m3"); here 123 of it is 12.3
in a column pm25_ug_m3. Codes are given as their names, flags as the names of those that are set,
with semicolons between. What a part does not measure is empty, not 0.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from fleet_cli.errors import BadInput
from fleet_cli.store.rows import RecordRow
from protocol import records

KEY_COLUMNS: Final = ("time", "node", "gateway", "epoch", "seq", "since_start_s")
"""What every kind has: `time` is UTC at the end of what the record covers, and empty where the
lamppost had no time yet; then `since_start_s` tells how long it had been running."""

_PLAIN_UNITS: Final = frozenset(
    {"code", "packed", "number", "flag", "count", "samples", "people", "records"}
)
_UNIT_NAMES: Final = {"%": "percent"}
_FACTOR = re.compile(r"(0\.\d+) (.+)")


@dataclass(frozen=True)
class Column:
    """One field of a kind: its name with the unit, and how its integer is shown."""

    name: str
    show: Callable[[int], int | float | str]


def kind_by_name(name: str) -> int:
    """The kind called `name`.

    Raises:
        BadInput: there is none.
    """
    for kind, (known, _) in records.KINDS.items():
        if known == name:
            return kind
    names = ", ".join(known for known, _ in records.KINDS.values())
    raise BadInput(f"--kind {name}: expected one of {names}")


def columns_of(kind: int) -> tuple[Column, ...]:
    """The columns of a known kind, in the order of its fields."""
    name, fields = records.KINDS[kind]
    return tuple(_column(name, field, unit) for field, unit, _, _ in fields)


def key_values(row: RecordRow) -> dict[str, Any]:
    """The values of KEY_COLUMNS; None where empty."""
    known = row.time >= records.CLOCK_EPOCH
    return {
        "time": utc_text(row.time) if known else None,
        "node": row.node,
        "gateway": row.gateway,
        "epoch": row.epoch,
        "seq": row.seq,
        "since_start_s": None if known else row.time,
    }


def reading(row: RecordRow) -> dict[str, Any]:
    """A record as one object: key columns, kind, and the columns of its kind.

    Raises:
        ProtocolError: its kind is unknown to this version.
    """
    kind, _, values = records.decode(row.body)
    unmeasured = _unmeasured(kind, values)
    shown = {
        column.name: None if place in unmeasured else column.show(value)
        for place, (column, value) in enumerate(zip(columns_of(kind), values, strict=True))
    }
    return {**key_values(row), "kind": records.KINDS[kind][0], **shown}


def utc_text(unix_s: int) -> str:
    """ISO 8601 in UTC, such as 2026-06-21T23:15:00Z."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _column(kind: str, field: str, unit: str) -> Column:
    codes = _CODES.get((kind, field))
    if codes is not None:
        return Column(field, lambda value: codes.get(value, str(value)))
    if unit == "bits":
        return Column(field, _flags)
    if unit == "packed":
        return Column(field, _version)
    if unit in _PLAIN_UNITS:
        return Column(field, int)
    factor = _FACTOR.fullmatch(unit)
    if factor:
        step = Decimal(factor[1])
        return Column(f"{field}_{_unit_name(factor[2])}", lambda value: float(value * step))
    return Column(f"{field}_{_unit_name(unit)}", int)


def _unit_name(unit: str) -> str:
    return _UNIT_NAMES.get(unit) or re.sub(r"[^a-z0-9]+", "_", unit.lower())


def _version(packed: int) -> str:
    return f"{packed >> 24}.{packed >> 16 & 0xFF}.{packed & 0xFFFF}"


def _flags(value: int) -> str:
    """The names of the flags set; a flag that this version does not know as its number."""
    bits = (1 << place for place in range(value.bit_length()))
    return "; ".join(_FLAGS.get(bit, str(bit)) for bit in bits if value & bit)


def _unmeasured(kind: int, values: Sequence[int]) -> set[int]:
    """Places of the values that stand for nothing: the part does not measure them."""
    if kind == records.AIR:
        flags = values[records.field(kind, "flags")]
        return {records.field(kind, "pm1")} if flags & records.FLAG_NO_PM1 else set()
    if kind == records.CLIMATE:
        places = (records.field(kind, name) for name in ("pressure", "voc", "nox"))
        return {place for place in places if not values[place]}
    return set()


_FLAGS: Final[dict[int, str]] = {
    records.FLAG_LOW_COVERAGE: "low coverage",
    records.FLAG_FROZEN: "frozen",
    records.FLAG_OUT_OF_RANGE: "out of range",
    records.FLAG_NO_HUMIDITY: "no humidity",
    records.FLAG_RESTARTED: "restarted",
    records.FLAG_PART_FAULT: "part fault",
    records.FLAG_CROWDED: "crowded",
    records.FLAG_NO_TEMPERATURE: "no temperature",
    records.FLAG_NO_PM1: "no PM1",
}

_CODES: Final[dict[tuple[str, str], dict[int, str]]] = {
    ("boot", "reset_cause"): records.RESET_CAUSES,
    ("lamp", "reason"): dict(enumerate(records.REASONS)),
    ("event", "code"): records.EVENTS,
    ("fault", "fault"): records.FAULTS,
}

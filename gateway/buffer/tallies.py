"""The durable counters. All of it is called inside a job of the writer.

What a commit of readings counts (added, repeated, missed) stands in the lamppost's row of `cursor`,
which that commit writes anyway: a page less on the disk each time. All else stands in `tally`.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.buffer.rows import ROW_OVERHEAD
from gateway.buffer.schema import Database

_BY_LAMPPOST = ("added", "repeated", "missed")


class Change(NamedTuple):
    """What a job does to the totals, once it is committed.

    rows: of records on their way; bytes: of these and of those a broker refused; kept_bytes: all
    that is kept for outlets only, None where that is not touched.
    """

    rows: int = 0
    bytes: int = 0
    kept_bytes: int | None = None


def count_up(db: Database, name: str, more: int) -> None:
    """Add `more` to the counter `name`."""
    if more:
        db.execute("UPDATE tally SET value = value + ? WHERE name = ?", [more, name])


def put(db: Database, name: str, value: int) -> None:
    """Set what is no counter but a fact."""
    db.execute("UPDATE tally SET value = ? WHERE name = ?", [value, name])


def get(db: Database, name: str) -> int:
    """The value of `name`."""
    return int(db.execute("SELECT value FROM tally WHERE name = ?", [name]).fetchone()[0])


def read(db: Database) -> dict[str, int]:
    """All counters, by name."""
    counters: dict[str, int] = dict(db.execute("SELECT name, value FROM tally").fetchall())
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in _BY_LAMPPOST)
    since = db.execute(f"SELECT {sums} FROM cursor").fetchone()  # noqa: S608 - our own names
    for name, more in zip(_BY_LAMPPOST, since, strict=True):
        counters[name] += more
    return counters


def count(db: Database, table: str, where: str, *parameters: int | float) -> tuple[int, int]:
    """(rows, bytes that they count for) of `table`."""
    select = f"SELECT count(*), coalesce(sum(length(body)), 0) FROM {table} WHERE {where}"  # noqa: S608
    rows, size = db.execute(select, parameters).fetchone()
    return rows, size + rows * ROW_OVERHEAD


def stock(db: Database) -> Change:
    """The totals as the rows give them, and `kept_bytes` put right by them."""
    rows, size = count(db, "record", "1")
    refused_size = count(db, "rejected", "refused = 1")[1]
    kept_size = count(db, "kept", "1")[1]
    put(db, "kept_bytes", kept_size)
    return Change(rows, size + refused_size, kept_size)

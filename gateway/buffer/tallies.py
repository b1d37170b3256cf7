"""The durable counters, and the totals that must agree with the rows they count.

All of it is called inside a job of the writer, so that a counter moves with what it counts.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.buffer.rows import ROW_OVERHEAD
from gateway.buffer.schema import Database


class Held(NamedTuple):
    """What the buffer holds: rows on their way; bytes of these and of those a broker refused.

    kept_rows and kept_bytes: what has gone up and waits for an outlet only.
    """

    rows: int
    bytes: int
    kept_rows: int
    kept_bytes: int


def count_up(db: Database, name: str, more: int) -> None:
    """Add `more` to the counter `name`."""
    if more:
        db.execute("UPDATE tally SET value = value + ? WHERE name = ?", [more, name])


def read(db: Database) -> dict[str, int]:
    """All counters, by name."""
    return dict(db.execute("SELECT name, value FROM tally").fetchall())


def running_s(db: Database) -> int:
    """Seconds this gateway has run in all: the only clock that nobody sets."""
    return int(db.execute("SELECT value FROM tally WHERE name = 'running_s'").fetchone()[0])


def held(db: Database) -> Held:
    """The totals as they stand."""
    names = ("held_rows", "held_bytes", "kept_rows", "kept_bytes")
    found = dict(
        db.execute("SELECT name, value FROM tally WHERE name IN (?, ?, ?, ?)", names).fetchall()
    )
    return Held(*(found[name] for name in names))


def hold(db: Database, rows: int, size: int) -> Held:
    """Move the totals of what is held; gives them all."""
    # In the same transaction as the rows, so that they cannot drift from them.
    count_up(db, "held_rows", rows)
    count_up(db, "held_bytes", size)
    return held(db)


def count(db: Database, table: str, where: str, *parameters: int | float) -> tuple[int, int]:
    """(rows, bytes that they count for) of `table`."""
    select = f"SELECT count(*), coalesce(sum(length(body)), 0) FROM {table} WHERE {where}"  # noqa: S608
    rows, size = db.execute(select, parameters).fetchone()
    return rows, size + rows * ROW_OVERHEAD


def recount(db: Database) -> Held:
    """Count the totals from the rows: after opening a file of whose past nothing is known."""
    rows, size = count(db, "record", "1")
    refused_size = count(db, "rejected", "refused = 1")[1]
    kept_rows, kept_size = count(db, "kept", "1")
    for name, value in (
        ("held_rows", rows),
        ("held_bytes", size + refused_size),
        ("kept_rows", kept_rows),
        ("kept_bytes", kept_size),
    ):
        db.execute("UPDATE tally SET value = ? WHERE name = ?", [value, name])
    return held(db)

"""Second outlets: what each still has to pass on, kept without holding anybody back.

Rows that the broker has accepted and an outlet has not passed move from `record` to `kept`. There
they count against a bound of their own and not against the buffer's, so an outlet that is away
neither stops the reading of lampposts nor the way up. Beyond that bound the oldest are dropped and
counted as missed by each outlet that had not passed them. All of it is called inside a job of the
writer.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.buffer import tallies
from gateway.buffer.rows import ROW_OVERHEAD, Row, size
from gateway.buffer.schema import Database

# Trimmed to this share of the bound, so that it is not done for every row.
_TRIM_TO = 0.9
# The cursor of a gateway that counts from 1 never gets here: it is damage.
_LARGEST_ID = 1 << 48


def register(db: Database, names: Sequence[str]) -> int:
    """Know exactly the outlets `names`: new ones begin at the newest row, others are forgotten.

    Gives the highest id that a row may have had; none may be given again.
    """
    newest = db.execute(
        "SELECT max(coalesce((SELECT max(id) FROM record), 0),"
        " coalesce((SELECT max(id) FROM kept), 0))"
    ).fetchone()[0]
    for name, last in db.execute("SELECT name, last FROM outlet").fetchall():
        if 0 <= last < _LARGEST_ID:
            newest = max(newest, last)
        if name not in names or not 0 <= last < _LARGEST_ID:
            db.execute("DELETE FROM outlet WHERE name = ?", [name])
    for name in names:
        db.execute("INSERT OR IGNORE INTO outlet (name, last) VALUES (?, ?)", [name, newest])
    # A row is on its way up or kept; a salvaged file may have it in both.
    db.execute("DELETE FROM kept WHERE id IN (SELECT id FROM record)")
    db.execute("DELETE FROM kept WHERE id <= ?", [_lowest(db)])
    return newest


def keep(db: Database, rows: Sequence[Row], bound: int) -> None:
    """Copy to `kept` those of `rows`, about to leave `record`, that an outlet has still to pass.

    rows: each is in `record`; bound: bytes that `kept` may hold.
    """
    lowest = _lowest(db)
    wanted = [row for row in rows if row.id > lowest]
    if not wanted:
        return
    db.conn.executemany(
        "INSERT INTO kept (id, node, epoch, seq, body, received)"
        " SELECT id, node, epoch, seq, body, received FROM record WHERE id = ?",
        [(row.id,) for row in wanted],
    ).close()
    tallies.count_up(db, "kept_bytes", size(row.body for row in wanted))
    _trim(db, bound)


def passed(db: Database, name: str, last: int) -> None:
    """The outlet `name` is done with every row up to the id `last`."""
    db.execute(
        "UPDATE outlet SET passed = passed"
        " + (SELECT count(*) FROM record WHERE id > outlet.last AND id <= :last)"
        " + (SELECT count(*) FROM kept WHERE id > outlet.last AND id <= :last),"
        " last = :last WHERE name = :name AND last < :last",
        {"name": name, "last": last},
    )
    lowest = _lowest(db)
    held = tallies.count(db, "kept", "id <= ?", lowest)[1]
    if held:
        db.execute("DELETE FROM kept WHERE id <= ?", [lowest])
        tallies.count_up(db, "kept_bytes", -held)


def missed(db: Database, table: str, where: str, *parameters: int | float) -> None:
    """Count the rows of `table` about to be dropped, for each outlet that has not passed them."""
    counted = f"(SELECT count(*) FROM {table} WHERE {where} AND id > outlet.last)"  # noqa: S608
    db.execute(f"UPDATE outlet SET missed = missed + {counted}", parameters)  # noqa: S608


def drop(db: Database, where: str, *parameters: int | float) -> int:
    """Drop kept rows and count them as missed; gives the bytes they counted for."""
    held = tallies.count(db, "kept", where, *parameters)[1]
    if held:
        missed(db, "kept", where, *parameters)
        db.execute(f"DELETE FROM kept WHERE {where}", parameters)  # noqa: S608 - our own words
        tallies.count_up(db, "kept_bytes", -held)
    return held


def drop_oldest(db: Database, bytes_: int) -> int:
    """Drop the oldest kept rows, about `bytes_` of them; gives the bytes they counted for."""
    over = bytes_
    oldest = db.execute("SELECT id, length(body) FROM kept ORDER BY id")
    last = None
    while over > 0 and (found := oldest.fetchone()) is not None:
        last, length = found
        over -= length + ROW_OVERHEAD
    oldest.close()
    return 0 if last is None else drop(db, "id <= ?", last)


def _trim(db: Database, bound: int) -> None:
    held = tallies.get(db, "kept_bytes")
    if held > bound:
        drop_oldest(db, held - int(bound * _TRIM_TO))


def _lowest(db: Database) -> int:
    """All rows up to this id are passed by every outlet."""
    lowest = db.execute("SELECT min(last) FROM outlet").fetchone()[0]
    return _LARGEST_ID if lowest is None else lowest

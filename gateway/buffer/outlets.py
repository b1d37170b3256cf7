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


def register(db: Database, names: Sequence[str]) -> None:
    """Know exactly the outlets `names`: new ones begin at the newest row, others are forgotten."""
    newest = last_id(db)
    for name, last in db.execute("SELECT name, last FROM outlet").fetchall():
        if name not in names or not 0 <= last < _LARGEST_ID:
            db.execute("DELETE FROM outlet WHERE name = ?", [name])
        else:
            newest = max(newest, last)
    # Where a salvaged file has forgotten the ids it gave, none may fall behind a cursor.
    if not db.execute(
        "UPDATE sqlite_sequence SET seq = ? WHERE name = 'record'", [newest]
    ).rowcount:
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('record', ?)", [newest])
    for name in names:
        db.execute("INSERT OR IGNORE INTO outlet (name, last) VALUES (?, ?)", [name, newest])
    # A row is on its way up or kept; a salvaged file may have it in both.
    rows, held = tallies.count(db, "kept", "id IN (SELECT id FROM record)")
    if rows:
        db.execute("DELETE FROM kept WHERE id IN (SELECT id FROM record)")
        _hold(db, -rows, -held)
    release(db)


def last_id(db: Database) -> int:
    """The highest id that any row has had; 0 for none."""
    found = db.execute(
        "SELECT max(coalesce((SELECT max(id) FROM record), 0),"
        " coalesce((SELECT max(id) FROM kept), 0),"
        " coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = 'record'), 0))"
    ).fetchone()
    return int(found[0])


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
    _hold(db, len(wanted), size(row.body for row in wanted))
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
    release(db)


def missed(db: Database, table: str, where: str, *parameters: int | float) -> None:
    """Count the rows of `table` about to be dropped, for each outlet that has not passed them."""
    counted = f"(SELECT count(*) FROM {table} WHERE {where} AND id > outlet.last)"  # noqa: S608
    db.execute(f"UPDATE outlet SET missed = missed + {counted}", parameters)  # noqa: S608


def drop(db: Database, where: str, *parameters: int | float) -> int:
    """Drop kept rows and count them as missed; gives how many."""
    rows, held = tallies.count(db, "kept", where, *parameters)
    if rows:
        missed(db, "kept", where, *parameters)
        db.execute(f"DELETE FROM kept WHERE {where}", parameters)  # noqa: S608 - our own words
        _hold(db, -rows, -held)
    return rows


def release(db: Database) -> None:
    """Let go of what every outlet has passed."""
    rows, held = tallies.count(db, "kept", "id <= ?", _lowest(db))
    if rows:
        db.execute("DELETE FROM kept WHERE id <= ?", [_lowest(db)])
        _hold(db, -rows, -held)


def _trim(db: Database, bound: int) -> None:
    over = tallies.held(db).kept_bytes - bound
    if over <= 0:
        return
    over += bound - int(bound * _TRIM_TO)
    oldest = db.execute("SELECT id, length(body) FROM kept ORDER BY id")
    for row_id, length in oldest:
        over -= length + ROW_OVERHEAD
        if over <= 0:
            oldest.close()
            drop(db, "id <= ?", row_id)
            return


def _lowest(db: Database) -> int:
    """All rows up to this id are passed by every outlet."""
    lowest = db.execute("SELECT min(last) FROM outlet").fetchone()[0]
    return _LARGEST_ID if lowest is None else lowest


def _hold(db: Database, rows: int, size: int) -> None:
    tallies.count_up(db, "kept_rows", rows)
    tallies.count_up(db, "kept_bytes", size)

"""How records come into the tables and go from them. Called inside a job of the writer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from gateway.buffer import outlets, tallies
from gateway.buffer.rows import Batch, Position, Row
from gateway.buffer.schema import Database
from gateway.errors import CursorMoved

# Of what was no record at all. A sound record that a broker refused is never dropped for space.
_RUBBISH_KEPT = 1000
# Rows in one statement. The interpreter's lock is given up for each statement, and while the event
# loop is busy it is back only milliseconds later.
_AT_ONCE = (64, 16, 4, 1)


def add(db: Database, batch: Batch, first_id: int, received: int) -> None:
    """Store a batch, its rows numbered from `first_id`, and its lamppost's position.

    received: s of running time. Raises CursorMoved when it does not begin at that position.
    """
    connection = db.conn
    moved = connection.execute(
        "UPDATE cursor SET epoch = ?, seq = ?, added = added + ?, repeated = repeated + ?,"
        " missed = missed + ? WHERE node = ? AND epoch = ? AND seq = ?",
        (*batch.next, len(batch.records), batch.repeated, batch.missed, batch.node, *batch.start),
    )
    if not moved.rowcount:
        _first(db, batch)
    node, epoch, rows = batch.node, batch.epoch, batch.records
    done = 0
    for size in _AT_ONCE:
        while len(rows) - done >= size:
            values = chain.from_iterable(rows[done : done + size])
            connection.execute(
                _insert(size), (first_id + done, node, epoch, received, *values)
            ).close()
            done += size
    if batch.rejected:
        reject(db, [(node, epoch, r.seq, r.body, r.reason, 0) for r in batch.rejected])


@cache
def _insert(count: int) -> str:
    """The statement for so many rows: first id, node, epoch, received, then sequence and body."""
    rows = (f"(?1 + {n}, ?2, ?3, ?{2 * n + 5}, ?{2 * n + 6}, ?4)" for n in range(count))
    return f"INSERT INTO record (id, node, epoch, seq, body, received) VALUES {', '.join(rows)}"  # noqa: S608


def _first(db: Database, batch: Batch) -> None:
    """Make the row of a lamppost that has none."""
    found = db.execute("SELECT epoch, seq FROM cursor WHERE node = ?", [batch.node]).fetchone()
    committed = Position(*found) if found else Position(0, 0)
    if found or batch.start != committed:
        raise CursorMoved(f"batch begins at {batch.start}, committed is {committed}")
    db.execute(
        "INSERT INTO cursor (node, epoch, seq, added, repeated, missed) VALUES (?, ?, ?, ?, ?, ?)",
        [batch.node, *batch.next, len(batch.records), batch.repeated, batch.missed],
    )


def take(db: Database, rows: Sequence[Row], outlet_bytes: int | None) -> tuple[list[Row], int]:
    """Take rows out of `record`; gives those that were there, and the bytes they counted for.

    A repeat after a lost connection may meet none. outlet_bytes: bytes that may be kept for
    outlets, None where there are none.
    """
    gone: list[Row] = []
    size = 0
    for run in _runs(rows):
        ends = (run[0].id, run[-1].id)
        found, held = tallies.count(db, "record", "id BETWEEN ? AND ?", *ends)
        there = run
        if found != len(run):
            query = "SELECT id FROM record WHERE id BETWEEN ? AND ?"
            ids = {row_id for (row_id,) in db.conn.execute(query, ends)}
            there = [row for row in run if row.id in ids]
        if outlet_bytes is not None:
            outlets.keep(db, there, outlet_bytes)
        db.conn.execute("DELETE FROM record WHERE id BETWEEN ? AND ?", ends)
        gone += there
        size += held
    return gone, size


def _runs(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Rows in runs of consecutive ids: a run is deleted at once, not row by row."""
    begin = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end].id != rows[end - 1].id + 1:
            yield rows[begin:end]
            begin = end


def reject(db: Database, rows: Sequence[tuple[Any, ...]]) -> None:
    """Move (node, epoch, seq, body, reason, refused) aside; of rubbish the newest are kept."""
    if not rows:
        return
    db.conn.executemany(
        "INSERT INTO rejected (node, epoch, seq, body, reason, refused) VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    ).close()
    tallies.count_up(db, "rejected", len(rows))
    db.execute(
        "DELETE FROM rejected WHERE refused = 0 AND id <= ("
        "SELECT id FROM rejected WHERE refused = 0 ORDER BY id DESC LIMIT 1 OFFSET ?)",
        [_RUBBISH_KEPT],
    )

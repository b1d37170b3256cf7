"""Records on their way: add, begin, accept, reject, keep."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gateway.buffer.database import Database, connect
from gateway.buffer.writer import Writer
from gateway.errors import CursorMoved

# What a row costs beside its body: keys, page and index overhead, measured at about this.
ROW_OVERHEAD = 48
# Reading starts again only once this much is free, so that it does not flutter at the bound.
_RESUME_AT = 0.9
_REJECTED_KEPT = 1000


class Position(NamedTuple):
    """A place in a lamppost's log: the record (epoch, seq)."""

    epoch: int
    seq: int


class Row(NamedTuple):
    """A record in the buffer."""

    id: int
    node: bytes
    epoch: int
    seq: int
    body: bytes


class Reject(NamedTuple):
    """A record that cannot go on, and why."""

    seq: int
    body: bytes
    reason: str


class Batch(NamedTuple):
    """What one reply of a lamppost brings: `records` is [(seq, body), ...] of `epoch`.

    start: the committed position it was read from; next: the position after it; missed: records
    the lamppost no longer had.
    """

    node: bytes
    start: Position
    next: Position
    epoch: int
    records: Sequence[tuple[int, bytes]]
    rejected: Sequence[Reject] = ()
    repeated: int = 0
    missed: int = 0


class Records:
    """The buffer of records. All methods are for the event loop's thread."""

    def __init__(self, writer: Writer, path: Path, max_bytes: int) -> None:
        self._writer = writer
        self._max_bytes = max_bytes
        self._reader: Database = connect(path)
        self._reader_lock = threading.Lock()
        self._full = False
        self._ran = time.monotonic()
        self.bytes = 0
        self.rows = 0
        self.last_id = 0
        # Set whenever something was added; whoever drains clears it.
        self.added = asyncio.Event()

    async def load(self) -> dict[bytes, Position]:
        """Take stock after opening; gives the next position to read of each known lamppost."""

        def stock(db: Database) -> tuple[int, int, int, list[tuple[bytes, int, int]]]:
            rows, size = db.execute(
                "SELECT count(*), coalesce(sum(length(body)), 0) FROM record"
            ).fetchone()
            last = db.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()[0]
            cursors = db.execute("SELECT node, epoch, seq FROM cursor").fetchall()
            return rows, size + rows * ROW_OVERHEAD, last, cursors

        self.rows, self.bytes, self.last_id, cursors = await self._writer.submit(stock)
        return {node: Position(epoch, seq) for node, epoch, seq in cursors}

    @property
    def full(self) -> bool:
        """Whether reading must pause: lampposts keep their records until there is room."""
        limit = self._max_bytes * (_RESUME_AT if self._full else 1)
        self._full = self.bytes >= limit
        return self._full

    async def add(self, batch: Batch) -> None:
        """Commit a batch with its lamppost's position; done when it is durable.

        Raises CursorMoved when it does not begin where the lamppost's last commit ended, and
        BufferUnavailable when the database cannot commit; nothing of it is stored then.
        """
        self.last_id = await self._writer.submit(lambda db: _add(db, batch)) or self.last_id
        self.rows += len(batch.records)
        self.bytes += sum(len(body) + ROW_OVERHEAD for _, body in batch.records)
        if batch.records:
            self.added.set()

    async def restart(self, node: bytes) -> None:
        """Read the log of `node` from its beginning: it was made anew."""
        await self._writer.submit(
            lambda db: (
                db.execute("UPDATE cursor SET epoch = 0, seq = 0 WHERE node = ?", [node]).rowcount
            )
        )

    async def begin(self, after: int, until: int | None, limit: int) -> list[Row]:
        """The oldest rows with after < id <= until (None: no end), at most `limit`. They stay."""
        return await asyncio.to_thread(self._read, after, until, limit)

    def _read(self, after: int, until: int | None, limit: int) -> list[Row]:
        with self._reader_lock:
            rows = self._reader.execute(
                "SELECT id, node, epoch, seq, body FROM record WHERE id > ? AND id <= ?"
                " ORDER BY id LIMIT ?",
                [after, (1 << 62) if until is None else until, limit],
            ).fetchall()
        return [Row(*row) for row in rows]

    async def accept(self, rows: Sequence[Row]) -> None:
        """The broker has them: delete."""
        self._forget(rows, await self._writer.submit(lambda db: _delete(db, rows, "sent")))

    async def reject(self, rows: Sequence[Row], reason: str) -> None:
        """The broker will never take them: move them aside, where a person can look."""

        def move(db: Database) -> int:
            _reject(db, ((r.node, r.epoch, r.seq, r.body, reason) for r in rows))
            return _delete(db, rows, "rejected")

        self._forget(rows, await self._writer.submit(move))

    async def sweep(self, max_age_s: float) -> int:
        """Note running time and drop what is older than `max_age_s` of it; gives how many."""
        now = time.monotonic()
        elapsed, self._ran = int(now - self._ran), now - (now - self._ran) % 1

        def age(db: Database) -> tuple[int, int]:
            _tally(db, "running_s", elapsed)
            horizon = _running(db) - max_age_s
            oldest = db.execute("SELECT received FROM record ORDER BY id LIMIT 1").fetchone()
            if oldest is None or oldest[0] >= horizon:
                return 0, 0
            old = db.execute(
                "SELECT count(*), coalesce(sum(length(body)), 0) FROM record WHERE received < ?",
                [horizon],
            ).fetchone()
            db.execute("DELETE FROM record WHERE received < ?", [horizon])
            _tally(db, "dropped", old[0])
            return old

        dropped, size = await self._writer.submit(age)
        self.rows -= dropped
        self.bytes -= size + dropped * ROW_OVERHEAD
        return dropped

    async def counters(self) -> dict[str, int]:
        """The durable counters, by name."""
        return dict(
            await self._writer.submit(
                lambda db: db.execute("SELECT name, value FROM tally").fetchall()
            )
        )

    def close(self) -> None:
        """Close the connection used for reading; the writer is its owner's."""
        with self._reader_lock:
            self._reader.conn.close()

    def _forget(self, rows: Sequence[Row], deleted: int) -> None:
        self.rows -= deleted
        if deleted == len(rows):
            self.bytes -= sum(len(row.body) + ROW_OVERHEAD for row in rows)


def _add(db: Database, batch: Batch) -> int:
    stored = db.execute("SELECT epoch, seq FROM cursor WHERE node = ?", [batch.node]).fetchone()
    committed = Position(*stored) if stored else Position(0, 0)
    if committed != batch.start:
        raise CursorMoved(f"batch begins at {batch.start}, committed is {committed}")
    received = _running(db)
    cursor = db.conn.executemany(
        "INSERT INTO record (node, epoch, seq, body, received) VALUES (?, ?, ?, ?, ?)",
        [(batch.node, batch.epoch, seq, body, received) for seq, body in batch.records],
    )
    cursor.close()
    db.table("cursor").insert(
        {"node": batch.node, "epoch": batch.next.epoch, "seq": batch.next.seq},
        pk="node",
        replace=True,
    )
    _reject(db, ((batch.node, batch.epoch, r.seq, r.body, r.reason) for r in batch.rejected))
    _tally(db, "added", len(batch.records))
    _tally(db, "rejected", len(batch.rejected))
    _tally(db, "repeated", batch.repeated)
    _tally(db, "missed", batch.missed)
    return int(db.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()[0])


def _delete(db: Database, rows: Sequence[Row], counter: str) -> int:
    cursor = db.conn.executemany("DELETE FROM record WHERE id = ?", [(row.id,) for row in rows])
    _tally(db, counter, cursor.rowcount)
    return cursor.rowcount


def _reject(db: Database, rejected: Iterable[tuple[Any, ...]]) -> None:
    rows = list(rejected)
    if not rows:
        return
    db.conn.executemany(
        "INSERT INTO rejected (node, epoch, seq, body, reason) VALUES (?, ?, ?, ?, ?)", rows
    )
    db.execute(
        "DELETE FROM rejected WHERE id <= (SELECT max(id) FROM rejected) - ?", [_REJECTED_KEPT]
    )


def _running(db: Database) -> int:
    return int(db.execute("SELECT value FROM tally WHERE name = 'running_s'").fetchone()[0])


def _tally(db: Database, name: str, more: int) -> None:
    if more:
        db.execute("UPDATE tally SET value = value + ? WHERE name = ?", [more, name])

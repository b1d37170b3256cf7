"""Records on their way: add, begin, accept, reject, keep."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gateway.buffer.schema import Database, connect
from gateway.buffer.writer import Writer
from gateway.errors import BufferUnavailable, CursorMoved

# What a row costs beside its body: keys, page and index overhead, measured at about this.
ROW_OVERHEAD = 48
# Reading starts again only once this much is free, so that it does not flutter at the bound.
_RESUME_AT = 0.9
# Of what was no record at all. A sound record that a broker refused is never dropped for space.
_RUBBISH_KEPT = 1000


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


class _Held(NamedTuple):
    """What the buffer holds after a commit."""

    rows: int
    bytes: int


class Records:
    """The buffer of records. All methods are for the event loop's thread."""

    def __init__(self, writer: Writer, path: Path, max_bytes: int) -> None:
        self._writer = writer
        self._max_bytes = max_bytes
        self._reader: Database = connect(path)
        self._reader_lock = threading.Lock()
        self._full = False
        self._ran = time.monotonic()
        # Records on their way; and the bytes of these and of those a broker refused.
        self.rows = 0
        self.bytes = 0
        self.last_id = 0
        # Set whenever something was added; whoever drains clears it.
        self.added = asyncio.Event()

    async def load(self) -> dict[bytes, Position]:
        """Take stock after opening; gives the next position to read of each known lamppost."""

        def stock(db: Database) -> tuple[_Held, int, list[tuple[bytes, int, int]]]:
            rows, size = _count(db, "record", "1")
            refused, refused_size = _count(db, "rejected", "refused = 1")
            held = size + refused_size + (rows + refused) * ROW_OVERHEAD
            for name, value in (("held_rows", rows), ("held_bytes", held)):
                db.execute("UPDATE tally SET value = ? WHERE name = ?", [value, name])
            last = db.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()[0]
            cursors = db.execute("SELECT node, epoch, seq FROM cursor").fetchall()
            return _held(db), last, cursors

        held, self.last_id, cursors = await self._writer.submit(stock)
        self._settle(held)
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

        def settled(outcome: tuple[int, _Held]) -> None:
            self.last_id = outcome[0] or self.last_id
            self._settle(outcome[1])
            if batch.records:
                self.added.set()

        await self._writer.submit(lambda db: _add(db, batch), settled)

    async def restart(self, node: bytes) -> None:
        """Read the log of `node` from its beginning: it was made anew."""
        await self._writer.submit(
            lambda db: (
                db.execute("UPDATE cursor SET epoch = 0, seq = 0 WHERE node = ?", [node]).rowcount
            )
        )

    async def begin(self, after: int, until: int | None, limit: int) -> list[Row]:
        """The oldest rows with after < id <= until (None: no end), at most `limit`. They stay.

        Raises BufferUnavailable.
        """
        return await asyncio.to_thread(self._read, after, until, limit)

    def _read(self, after: int, until: int | None, limit: int) -> list[Row]:
        try:
            with self._reader_lock:
                rows = self._reader.execute(
                    "SELECT id, node, epoch, seq, body FROM record WHERE id > ? AND id <= ?"
                    " ORDER BY id LIMIT ?",
                    [after, (1 << 62) if until is None else until, limit],
                ).fetchall()
        except sqlite3.Error as error:
            self._writer.report(error)
            raise BufferUnavailable(f"the database cannot be read: {error}") from error
        return [Row(*row) for row in rows]

    async def accept(self, rows: Sequence[Row]) -> None:
        """The broker has them: delete."""

        def delete(db: Database) -> _Held:
            gone = _delete(db, rows)
            _tally(db, "sent", len(gone))
            return _hold(db, -len(gone), -_size(gone))

        await self._writer.submit(delete, self._settle)

    async def reject(self, rows: Sequence[Row], reason: str) -> None:
        """The broker will never take them: move them aside, where a person can look.

        They keep their place within the bound in bytes: sound records are never dropped for space.
        """

        def move(db: Database) -> _Held:
            gone = _delete(db, rows)
            _reject(db, [(r.node, r.epoch, r.seq, r.body, reason, 1) for r in gone])
            return _hold(db, -len(gone), 0)

        await self._writer.submit(move, self._settle)

    async def sweep(self, max_age_s: float) -> int:
        """Note running time and drop what is older than `max_age_s` of it; gives how many."""
        now = time.monotonic()
        elapsed, self._ran = int(now - self._ran), now - (now - self._ran) % 1

        def age(db: Database) -> tuple[int, _Held]:
            _tally(db, "running_s", elapsed)
            horizon = _running(db) - max_age_s
            oldest = db.execute("SELECT received FROM record ORDER BY id LIMIT 1").fetchone()
            if oldest is None or oldest[0] >= horizon:
                return 0, _held(db)
            old, size = _count(db, "record", "received < ?", horizon)
            db.execute("DELETE FROM record WHERE received < ?", [horizon])
            _tally(db, "dropped", old)
            return old, _hold(db, -old, -size - old * ROW_OVERHEAD)

        return (await self._writer.submit(age, lambda outcome: self._settle(outcome[1])))[0]

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

    def _settle(self, held: _Held) -> None:
        self.rows, self.bytes = held


def _add(db: Database, batch: Batch) -> tuple[int, _Held]:
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
    _reject(db, [(batch.node, batch.epoch, r.seq, r.body, r.reason, 0) for r in batch.rejected])
    _tally(db, "added", len(batch.records))
    _tally(db, "repeated", batch.repeated)
    _tally(db, "missed", batch.missed)
    size = sum(len(body) + ROW_OVERHEAD for _, body in batch.records)
    held = _hold(db, len(batch.records), size)
    return int(db.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()[0]), held


def _delete(db: Database, rows: Sequence[Row]) -> list[Row]:
    """Delete; gives those that were there. A repeat after a lost connection may meet none."""
    delete = "DELETE FROM record WHERE id = ?"
    return [row for row in rows if db.conn.execute(delete, [row.id]).rowcount]


def _size(rows: Sequence[Row]) -> int:
    return sum(len(row.body) + ROW_OVERHEAD for row in rows)


def _reject(db: Database, rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    db.conn.executemany(
        "INSERT INTO rejected (node, epoch, seq, body, reason, refused) VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )
    _tally(db, "rejected", len(rows))
    db.execute(
        "DELETE FROM rejected WHERE refused = 0 AND id <= ("
        "SELECT id FROM rejected WHERE refused = 0 ORDER BY id DESC LIMIT 1 OFFSET ?)",
        [_RUBBISH_KEPT],
    )


def _count(db: Database, table: str, where: str, *parameters: int | float) -> tuple[int, int]:
    """(rows, bytes of their bodies)."""
    select = f"SELECT count(*), coalesce(sum(length(body)), 0) FROM {table} WHERE {where}"  # noqa: S608
    return db.execute(select, parameters).fetchone()


def _hold(db: Database, rows: int, size: int) -> _Held:
    # Kept in the same transaction as the rows, so that it cannot drift from them.
    _tally(db, "held_rows", rows)
    _tally(db, "held_bytes", size)
    return _held(db)


def _held(db: Database) -> _Held:
    names = ("held_rows", "held_bytes")
    found = dict(db.execute("SELECT name, value FROM tally WHERE name IN (?, ?)", names).fetchall())
    return _Held(*(found[name] for name in names))


def _running(db: Database) -> int:
    return int(db.execute("SELECT value FROM tally WHERE name = 'running_s'").fetchone()[0])


def _tally(db: Database, name: str, more: int) -> None:
    if more:
        db.execute("UPDATE tally SET value = value + ? WHERE name = ?", [more, name])

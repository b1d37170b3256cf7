"""Records on their way: add, begin, accept, reject, keep."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.buffer import drops, outlets, tallies
from gateway.buffer.rows import ROW_OVERHEAD, Batch, Position, Reject, Row, size
from gateway.buffer.schema import Database, connect
from gateway.buffer.tallies import Held
from gateway.buffer.writer import Writer
from gateway.errors import BufferUnavailable, CursorMoved

__all__ = ["ROW_OVERHEAD", "Batch", "Position", "Records", "Reject", "Row"]

# Reading starts again only once this much is free, so that it does not flutter at the bound.
_RESUME_AT = 0.9
# Of what was no record at all. A sound record that a broker refused is never dropped for space.
_RUBBISH_KEPT = 1000
# What waits for outlets only may take this share of `max_bytes`, beside it.
_OUTLETS_SHARE = 0.25


class Records:
    """The buffer of records. All methods are for the event loop's thread.

    max_bytes: what it may hold before reading must pause. outlets: names of the second outlets, and
    outlet_bytes what may be kept for them alone, beside `max_bytes` (None: a quarter of it). Beyond
    that an outlet misses the oldest; it never makes the buffer full.
    """

    def __init__(
        self,
        writer: Writer,
        path: Path,
        max_bytes: int,
        outlets: Sequence[str] = (),
        outlet_bytes: int | None = None,
    ) -> None:
        self._writer = writer
        self._max_bytes = max_bytes
        self._outlets = tuple(outlets)
        share = int(max_bytes * _OUTLETS_SHARE)
        self._outlet_bytes = share if outlet_bytes is None else outlet_bytes
        self._reader: Database = connect(path)
        self._reader_lock = threading.Lock()
        self._full = False
        self._ran = time.monotonic()
        # Records on their way; and the bytes of these and of those a broker refused.
        self.rows = 0
        self.bytes = 0
        # What has gone up and waits for an outlet only.
        self.kept_bytes = 0
        self.last_id = 0
        # Set whenever something was added; whoever drains clears it.
        self.added = asyncio.Event()
        # The same for each outlet.
        self.added_for = {name: asyncio.Event() for name in self._outlets}

    async def load(self) -> dict[bytes, Position]:
        """Take stock after opening; gives the next position to read of each known lamppost.

        An outlet that is new begins at the newest row; one that is no longer named is forgotten,
        and so is what was kept for it.
        """

        def stock(db: Database) -> tuple[Held, int, list[tuple[bytes, int, int]]]:
            tallies.recount(db)
            outlets.register(db, self._outlets)
            cursors = db.execute("SELECT node, epoch, seq FROM cursor").fetchall()
            return tallies.held(db), outlets.last_id(db), cursors

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

        def settled(outcome: tuple[int, Held]) -> None:
            self.last_id = outcome[0] or self.last_id
            self._settle(outcome[1])
            if batch.records:
                self.added.set()
                for event in self.added_for.values():
                    event.set()

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
        return self._select(
            "SELECT id, node, epoch, seq, body FROM record WHERE id > ? AND id <= ?"
            " ORDER BY id LIMIT ?",
            [after, (1 << 62) if until is None else until, limit],
        )

    async def begin_for(self, outlet: str, limit: int, after: int = 0) -> list[Row]:
        """The oldest rows that `outlet` has not passed, at most `limit`. They stay.

        after: only rows with a higher id, so that a next window may be had before the first has
        passed. Raises BufferUnavailable, and KeyError for an outlet that is not configured.
        """
        self.added_for[outlet]
        return await asyncio.to_thread(self._read_for, outlet, limit, after)

    def _read_for(self, outlet: str, limit: int, after: int) -> list[Row]:
        beyond = "WHERE id > max(:after, (SELECT last FROM outlet WHERE name = :outlet))"
        columns = "SELECT id, node, epoch, seq, body"
        return self._select(
            f"{columns} FROM kept {beyond} UNION ALL {columns} FROM record {beyond}"
            " ORDER BY id LIMIT :limit",
            {"outlet": outlet, "after": after, "limit": limit},
        )

    def _select(self, query: str, parameters: Sequence[Any] | dict[str, Any]) -> list[Row]:
        try:
            with self._reader_lock:
                rows = self._reader.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            self._writer.report(error)
            raise BufferUnavailable(f"the database cannot be read: {error}") from error
        return [Row(*row) for row in rows]

    async def passed(self, outlet: str, last_id: int) -> None:
        """Commit that `outlet` is done with all rows up to the id `last_id`.

        What nobody needs any more is deleted. Raises BufferUnavailable, KeyError for an outlet that
        is not configured, and ValueError for an id that no row has had.
        """
        self.added_for[outlet]
        if last_id > self.last_id:
            raise ValueError(f"outlet {outlet}: row {last_id} passed, the newest is {self.last_id}")

        def move(db: Database) -> Held:
            outlets.passed(db, outlet, last_id)
            return tallies.held(db)

        await self._writer.submit(move, self._settle)

    async def accept(self, rows: Sequence[Row]) -> None:
        """The broker has them: delete, or keep for the outlets that have not passed them."""

        def delete(db: Database) -> Held:
            gone = self._take(db, rows)
            tallies.count_up(db, "sent", len(gone))
            return tallies.hold(db, -len(gone), -size(row.body for row in gone))

        await self._writer.submit(delete, self._settle)

    async def reject(self, rows: Sequence[Row], reason: str) -> None:
        """The broker will never take them: move them aside, where a person can look.

        They keep their place within the bound in bytes: sound records are never dropped for space.
        Outlets get them all the same.
        """

        def move(db: Database) -> Held:
            gone = self._take(db, rows)
            _reject(db, [(r.node, r.epoch, r.seq, r.body, reason, 1) for r in gone])
            return tallies.hold(db, -len(gone), 0)

        await self._writer.submit(move, self._settle)

    def _take(self, db: Database, rows: Sequence[Row]) -> list[Row]:
        """Take rows out of `record`; gives those that were there."""
        if self._outlets:
            there = "SELECT 1 FROM record WHERE id = ?"
            rows = [row for row in rows if db.conn.execute(there, [row.id]).fetchone()]
            outlets.keep(db, rows, self._outlet_bytes)
        return _delete(db, rows)

    async def sweep(self, max_age_s: float) -> int:
        """Note running time and drop what is older than `max_age_s` of it; gives how many."""
        now = time.monotonic()
        elapsed, self._ran = int(now - self._ran), now - (now - self._ran) % 1

        def age(db: Database) -> tuple[int, Held]:
            tallies.count_up(db, "running_s", elapsed)
            horizon = tallies.running_s(db) - max_age_s
            return drops.drop_older(db, horizon), tallies.held(db)

        return (await self._writer.submit(age, lambda outcome: self._settle(outcome[1])))[0]

    async def counters(self) -> dict[str, int]:
        """The durable counters, by name."""
        return await self._writer.submit(tallies.read)

    def close(self) -> None:
        """Close the connection used for reading; the writer is its owner's."""
        with self._reader_lock:
            self._reader.conn.close()

    def _settle(self, held: Held) -> None:
        self.rows, self.bytes, self.kept_bytes = held.rows, held.bytes, held.kept_bytes


def _add(db: Database, batch: Batch) -> tuple[int, Held]:
    stored = db.execute("SELECT epoch, seq FROM cursor WHERE node = ?", [batch.node]).fetchone()
    committed = Position(*stored) if stored else Position(0, 0)
    if committed != batch.start:
        raise CursorMoved(f"batch begins at {batch.start}, committed is {committed}")
    received = tallies.running_s(db)
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
    tallies.count_up(db, "added", len(batch.records))
    tallies.count_up(db, "repeated", batch.repeated)
    tallies.count_up(db, "missed", batch.missed)
    held = tallies.hold(db, len(batch.records), size(body for _, body in batch.records))
    return int(db.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()[0]), held


def _delete(db: Database, rows: Sequence[Row]) -> list[Row]:
    """Delete; gives those that were there. A repeat after a lost connection may meet none."""
    delete = "DELETE FROM record WHERE id = ?"
    return [row for row in rows if db.conn.execute(delete, [row.id]).rowcount]


def _reject(db: Database, rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    db.conn.executemany(
        "INSERT INTO rejected (node, epoch, seq, body, reason, refused) VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )
    tallies.count_up(db, "rejected", len(rows))
    db.execute(
        "DELETE FROM rejected WHERE refused = 0 AND id <= ("
        "SELECT id FROM rejected WHERE refused = 0 ORDER BY id DESC LIMIT 1 OFFSET ?)",
        [_RUBBISH_KEPT],
    )

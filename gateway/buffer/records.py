"""Records on their way: add, begin, accept, reject, keep."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from gateway.buffer import moves, outlets, tallies
from gateway.buffer.disk import Disk
from gateway.buffer.drops import Dropped
from gateway.buffer.reader import Reader
from gateway.buffer.rows import ROW_OVERHEAD, Batch, Position, Reject, Row, size
from gateway.buffer.schema import Database
from gateway.buffer.sweep import Sweeper
from gateway.buffer.tallies import Change
from gateway.buffer.writer import Writer

__all__ = ["ROW_OVERHEAD", "Batch", "Dropped", "Position", "Records", "Reject", "Row"]

# Reading starts again only once this much is free, so that it does not flutter at the bound.
_RESUME_AT = 0.9
# What waits for outlets only may take this share of `max_bytes`, beside it.
_OUTLETS_SHARE = 0.25
_NO_END = 1 << 62


class Records:
    """The buffer of records. All methods are for the event loop's thread.

    max_bytes: what it may hold before reading must pause. outlets: names of the second outlets, and
    outlet_bytes what may be kept for them alone, beside `max_bytes` (None: a quarter of it). Beyond
    that an outlet misses the oldest; it never makes the buffer full. disk: what must stay free of
    it (None: whatever there is may be filled).
    """

    def __init__(
        self,
        writer: Writer,
        path: Path,
        max_bytes: int,
        outlets: Sequence[str] = (),
        outlet_bytes: int | None = None,
        disk: Disk | None = None,
    ) -> None:
        self._writer = writer
        self._max_bytes = max_bytes
        self._outlets = tuple(outlets)
        share = int(max_bytes * _OUTLETS_SHARE) if outlet_bytes is None else outlet_bytes
        self._outlet_bytes = share if outlets else None
        self.disk = disk or Disk(path.parent, 0)
        self._reader = Reader(path, writer.report)
        self._sweeper = Sweeper(writer, self.disk, self._settle)
        self._full = False
        # Of the writer's thread; the next row gets the id after it.
        self._given = 0
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

        def stock(db: Database) -> tuple[Change, list[tuple[bytes, int, int]]]:
            self._sweeper.load(db)
            self._given = outlets.register(db, self._outlets)
            tallies.put(db, "last_id", self._given)
            cursors = db.execute("SELECT node, epoch, seq FROM cursor").fetchall()
            return tallies.stock(db), cursors

        held, cursors = await self._writer.submit(stock)
        self.last_id = self._given
        self.rows = self.bytes = 0
        self._settle(held)
        return {node: Position(epoch, seq) for node, epoch, seq in cursors}

    @property
    def full(self) -> bool:
        """Whether reading must pause: lampposts keep their records until there is room."""
        return self.why_full is not None

    @property
    def why_full(self) -> str | None:
        """What `full` is for: "max_bytes", "free disk", or None when there is room."""
        limit = self._max_bytes * (_RESUME_AT if self._full else 1)
        self._full = self.bytes >= limit
        if self._full:
            return "max_bytes"
        return "free disk" if self.disk.short else None

    async def add(self, batch: Batch) -> None:
        """Commit a batch with its lamppost's position; done when it is durable.

        Raises CursorMoved when it does not begin where the lamppost's last commit ended, and
        BufferUnavailable when the database cannot commit; nothing of it is stored then.
        """
        received = self._sweeper.running_s
        more = Change(len(batch.records), size(body for _, body in batch.records))

        def store(db: Database) -> int:
            moves.add(db, batch, self._given + 1, received)
            self._given += more.rows
            return self._given

        def settled(last: int) -> None:
            self.last_id = last
            self._settle(more)
            if more.rows:
                self.added.set()
                for event in self.added_for.values():
                    event.set()

        await self._writer.submit(store, settled)

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
        return await self._reader.rows(after, _NO_END if until is None else until, limit)

    async def begin_for(self, outlet: str, limit: int, after: int = 0) -> list[Row]:
        """The oldest rows that `outlet` has not passed, at most `limit`. They stay.

        after: only rows with a higher id, so that a next window may be had before the first has
        passed. Raises BufferUnavailable, and KeyError for an outlet that is not configured.
        """
        self.added_for[outlet]
        return await self._reader.rows_for(outlet, after, limit)

    async def passed(self, outlet: str, last_id: int) -> None:
        """Commit that `outlet` is done with all rows up to the id `last_id`.

        What nobody needs any more is deleted. Raises BufferUnavailable, KeyError for an outlet that
        is not configured, and ValueError for an id that no row has had.
        """
        self.added_for[outlet]
        if last_id > self.last_id:
            raise ValueError(f"outlet {outlet}: row {last_id} passed, the newest is {self.last_id}")

        def move(db: Database) -> Change:
            outlets.passed(db, outlet, last_id)
            return Change(kept_bytes=tallies.get(db, "kept_bytes"))

        await self._writer.submit(move, self._settle)

    async def accept(self, rows: Sequence[Row]) -> None:
        """The broker has them: delete, or keep for the outlets that have not passed them."""

        def delete(db: Database) -> Change:
            gone, held = moves.take(db, rows, self._outlet_bytes)
            tallies.count_up(db, "sent", len(gone))
            return Change(-len(gone), -held, self._kept(db))

        await self._writer.submit(delete, self._settle)

    async def reject(self, rows: Sequence[Row], reason: str) -> None:
        """The broker will never take them: move them aside, where a person can look.

        They keep their place within the bound in bytes: sound records are never dropped for space.
        Outlets get them all the same.
        """

        def move(db: Database) -> Change:
            gone, _ = moves.take(db, rows, self._outlet_bytes)
            moves.reject(db, [(r.node, r.epoch, r.seq, r.body, reason, 1) for r in gone])
            return Change(-len(gone), 0, self._kept(db))

        await self._writer.submit(move, self._settle)

    def _kept(self, db: Database) -> int | None:
        return tallies.get(db, "kept_bytes") if self._outlets else None

    async def sweep(self, max_age_s: float) -> Dropped:
        """Note running time and what was written; drop what must go, and give room back.

        Telemetry goes when older than `max_age_s` of running time, events when twice as old; and
        when the disk is critically short, the oldest telemetry first. Raises BufferUnavailable.
        """
        return await self._sweeper.sweep(max_age_s, self.last_id)

    async def counters(self) -> dict[str, int]:
        """The durable counters, by name."""
        return await self._writer.submit(tallies.read)

    def close(self) -> None:
        """Close what is used for reading; the writer is its owner's."""
        self._reader.close()
        self._sweeper.close()

    def _settle(self, change: Change) -> None:
        self.rows += change.rows
        self.bytes += change.bytes
        if change.kept_bytes is not None:
            self.kept_bytes = change.kept_bytes

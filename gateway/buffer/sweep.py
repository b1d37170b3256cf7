"""What is done every half minute: time and wear noted, bounds in age and free disk held."""

from __future__ import annotations

import time
from collections.abc import Callable

from gateway.buffer import tallies
from gateway.buffer.disk import Disk, Wear
from gateway.buffer.drops import Dropped, Drops
from gateway.buffer.schema import Database
from gateway.buffer.tallies import Change
from gateway.buffer.writer import Writer

# Bounds of one sweep; the next goes on where it stopped.
_MOST_ROUNDS = 200
# Few, so that a disk with hardly any room left has enough for the log of it.
_PAGES_A_ROUND = 100


class Sweeper:
    """Sweeps the buffer. `settle` is told, in the event loop, of what each commit changed."""

    def __init__(self, writer: Writer, disk: Disk, settle: Callable[[Change], None]) -> None:
        self._writer = writer
        self._disk = disk
        self._settle = settle
        self._drops = Drops()
        self._wear: Wear | None = None
        self._ran = time.monotonic()
        # Seconds this gateway has run in all, by the last sweep: the only clock that nobody sets.
        self.running_s = 0

    def load(self, db: Database) -> None:
        """Take up from the database; called in the writer's thread, whose writes are counted."""
        self._wear = Wear()
        self.running_s = tallies.get(db, "running_s")

    async def sweep(self, max_age_s: float, last_id: int) -> Dropped:
        """As `Records.sweep`; `last_id` is the highest id given."""
        now = time.monotonic()
        elapsed, self._ran = int(now - self._ran), now - (now - self._ran) % 1

        def note(db: Database) -> int:
            tallies.count_up(db, "running_s", elapsed)
            tallies.put(db, "last_id", last_id)
            if self._wear is not None:
                tallies.count_up(db, "written_bytes", self._wear.since())
            return tallies.get(db, "running_s")

        self.running_s = await self._writer.submit(note)
        old = await self._drop(lambda db, _: self._drops.older(db, self.running_s, max_age_s))
        crowded = Dropped()
        if lacking := self._disk.lacking:
            crowded = await self._drop(
                lambda db, gone: self._drops.for_room(db, lacking - gone.bytes), log_anew=True
            )
        if self._disk.short:
            await self._give_back()
        return old.plus(crowded)

    def close(self) -> None:
        """Stop counting what is written."""
        if self._wear is not None:
            self._wear.close()

    async def _drop(
        self, run: Callable[[Database, Dropped], Dropped], *, log_anew: bool = False
    ) -> Dropped:
        """Call `run` with what it has dropped so far, until there is no more to drop.

        log_anew: begin the write-ahead log anew each time, in the room it has already.
        """
        gone = Dropped()
        for _ in range(_MOST_ROUNDS):
            if log_anew:
                await self._writer.submit_alone(_checkpoint)
            step = await self._writer.submit(
                lambda db, gone=gone: _with_kept(db, run(db, gone)), self._dropped
            )
            gone = gone.plus(step[0])
            if not step[0].more:
                break
        return gone

    def _dropped(self, step: tuple[Dropped, int]) -> None:
        self._drops.settle()
        dropped, kept_bytes = step
        self._settle(Change(-(dropped.age + dropped.disk), -dropped.bytes, kept_bytes))

    async def _give_back(self) -> None:
        """Give unused pages of the file back to the file system, until the disk is not short."""
        for _ in range(_MOST_ROUNDS):
            await self._writer.submit_alone(_checkpoint)
            unused = await self._writer.submit(_shrink)
            # The file is cut when the write-ahead log, which says so, has been worked in.
            await self._writer.submit_alone(_checkpoint)
            self._disk.ask_again()
            if not unused or not self._disk.short:
                return


def _with_kept(db: Database, dropped: Dropped) -> tuple[Dropped, int]:
    return dropped, tallies.get(db, "kept_bytes")


def _shrink(db: Database) -> int:
    """Cut some unused pages off; gives how many are left, 0 for a file that cannot be cut."""
    before = _unused(db)
    db.execute(f"PRAGMA incremental_vacuum({_PAGES_A_ROUND})").fetchall()
    after = _unused(db)
    return after if after < before else 0


def _unused(db: Database) -> int:
    return int(db.execute("PRAGMA freelist_count").fetchone()[0])


def _checkpoint(db: Database) -> None:
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

"""One visit to a lamppost: its facts, or its next records and the acknowledgement of the last.

A poll asks for records from a position and carries the acknowledgement of what has been committed
since the last. Records are read ahead of the commits: a visit to a lamppost with a backlog is a
window of several polls, each leaves while the batches before it are still on their way to the disk,
and a lamppost whose commits lag is passed over until they are done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gateway.buffer.records import Batch, Position, Records
from gateway.clock import StreetClock
from gateway.errors import (
    BadReply,
    BufferUnavailable,
    CursorMoved,
    LinkUnavailable,
    NodeRefused,
    NoReply,
    SealBroken,
)
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.readings import batch_of
from gateway.lampposts.turns import Traffic
from gateway.logs import Logger, Trouble
from protocol.messages import MAX_RECORD_BYTES

# Failures in a row after which a lamppost counts as silent.
SILENT_AFTER = 3
# Polls of one visit to a lamppost with a backlog; then the others have their turn.
WINDOW = 4
# Batches of one lamppost that may be on their way to the disk, about 1 KiB each. Two windows, so
# that the second is read while the first is committed, also by a slow memory card.
MOST_COMMITS = 2 * WINDOW
# Attempts at a poll while the link answers: noise costs a repeat, not a visit.
_ATTEMPTS = 2
_FIRST_RETRY_S = 0.2
_FACTS_EVERY_S = 900.0
_COMMIT_RETRY_S = 1.0
# Beyond every record: nothing is returned, the acknowledgement and the time still count.
_END = Position(0xFFFFFFFF, 0xFFFFFFFF)


class Visits:
    """Visits lampposts of one link, into `records`.

    idle_s: pause between visits to a lamppost that has nothing waiting; silent_most_s: longest
    pause between attempts at a silent one. Both machine time. `doubted` is called with a lamppost
    whose reply is not believed: it may be another, or two at one place.
    """

    def __init__(
        self,
        records: Records,
        clock: StreetClock,
        idle_s: float,
        silent_most_s: float,
        log: Logger,
    ) -> None:
        self._records = records
        self._clock = clock
        self._idle = idle_s
        self._silent_most = silent_most_s
        self._commits: set[asyncio.Task[None]] = set()
        self._full = Trouble(log, "buffer full: lampposts keep their records")
        self._storage = Trouble(log, "records cannot be committed")
        self._retry_commits_at = 0.0
        self._answering = True
        self.doubted: Callable[[Lamppost], None] = lambda lamppost: None

    async def close(self) -> None:
        """Wait for what is on its way to the disk."""
        if self._commits:
            await asyncio.wait(self._commits)

    async def visit(self, lamppost: Lamppost) -> None:
        """Ask `lamppost` once; what goes wrong is noted with it, and says when it is due next."""
        try:
            if lamppost.wants_facts or time.monotonic() > lamppost.facts_at + _FACTS_EVERY_S:
                await self._facts(lamppost)
                lamppost.next_due = 0.0
            else:
                await self._window(lamppost)
            self._answering = True
        except (NoReply, LinkUnavailable) as error:
            self._failed(lamppost, str(error))
        except BufferUnavailable as error:
            # No sealing counter could be reserved. The disk is at fault, not the lamppost.
            self._storage.failed(error=str(error))
            lamppost.next_due = time.monotonic() + _COMMIT_RETRY_S
        except (NodeRefused, BadReply, SealBroken) as error:
            lamppost.refused_replies += 1
            self._failed(lamppost, str(error))
            if not isinstance(error, NodeRefused):
                self.doubted(lamppost)

    def _attempts(self, lamppost: Lamppost) -> int:
        # Each attempt that is not answered costs the others a timeout, and where one did not answer
        # its neighbour may have lost its power too.
        answers = self._answering and lamppost.link == "up" and not lamppost.failures
        return _ATTEMPTS if answers else 1

    async def _window(self, lamppost: Lamppost) -> None:
        for _ in range(WINDOW):
            more = await self._poll(lamppost)
            if not more or lamppost.wants_facts or lamppost.commits_pending >= MOST_COMMITS:
                return

    async def _facts(self, lamppost: Lamppost) -> None:
        # As it is now: over another link it may be read on before the answer is here.
        read = lamppost.position
        status = await management.status(lamppost, self._attempts(lamppost))
        lamppost.heard(self._clock.now())
        lamppost.take_facts(status, time.monotonic())
        ends = Position(status["epoch"], status["next_sequence"])
        if ends < read and not lamppost.commits_pending:
            # Its log was made anew (flash replaced or reformatted); waiting for the old position
            # would lose everything until it is reached again.
            lamppost.log.warning("lamppost's log begins again", read_up_to=read, log_ends=ends)
            try:
                await self._records.restart(lamppost.node)
            except BufferUnavailable as error:
                self._storage.failed(error=str(error))
                lamppost.wants_facts = True
                return
            lamppost.position = lamppost.committed = Position(0, 0)
            lamppost.told = None

    async def _poll(self, lamppost: Lamppost) -> bool:
        """Ask for records once; whether there are more."""
        paused = self._paused()
        asked = _END if paused else lamppost.position
        committed = lamppost.committed
        acknowledge = None
        if committed != lamppost.told and committed.seq > 0:
            acknowledge = (committed.epoch, committed.seq - 1)
        message = management.readings(
            *asked, MAX_RECORD_BYTES, acknowledge, self._clock.now() or None
        )
        body = await lamppost.session.ask(message, Traffic.POLL, attempts=self._attempts(lamppost))
        reply = batch_of(lamppost.node, asked, body)
        lamppost.heard(self._clock.now())
        lamppost.take_sightings(reply.sightings)
        if acknowledge is not None:
            lamppost.told = committed
        if lamppost.facts is None or reply.generation != lamppost.facts["generation"]:
            lamppost.wants_facts = True
        if reply.level != lamppost.level:
            lamppost.level = reply.level
            lamppost.changed()
        if paused:
            lamppost.next_due = time.monotonic() + self._idle
            return False
        lamppost.backlog = reply.waiting
        if reply.batch is not None:
            if reply.batch.missed:
                lamppost.log.warning("lamppost no longer had records", missed=reply.batch.missed)
            lamppost.newest.take(body for _, body in reply.batch.records)
            lamppost.position = reply.batch.next
            self._start_commit(lamppost, reply.batch)
        busy = reply.waiting > 0 and reply.batch is not None
        lamppost.next_due = 0.0 if busy or lamppost.wants_facts else time.monotonic() + self._idle
        return busy

    def _paused(self) -> bool:
        if self._records.full:
            self._full.failed(bytes=self._records.bytes, bound=self._records.why_full)
            return True
        self._full.over()
        return time.monotonic() < self._retry_commits_at

    def _start_commit(self, lamppost: Lamppost, batch: Batch) -> None:
        lamppost.commits_pending += 1
        task = asyncio.create_task(self._commit(lamppost, batch))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)

    async def _commit(self, lamppost: Lamppost, batch: Batch) -> None:
        try:
            await self._records.add(batch)
            lamppost.committed = batch.next
            self._storage.over()
        except (BufferUnavailable, CursorMoved) as error:
            # Read again from what is committed; the lamppost still has it.
            lamppost.position = lamppost.committed
            if isinstance(error, BufferUnavailable):
                self._storage.failed(error=str(error))
                self._retry_commits_at = time.monotonic() + _COMMIT_RETRY_S
        finally:
            lamppost.commits_pending -= 1
            lamppost.look_again()

    def _failed(self, lamppost: Lamppost, why: str) -> None:
        self._answering = False
        lamppost.failures += 1
        pause = min(self._silent_most, _FIRST_RETRY_S * 2 ** min(lamppost.failures - 1, 20))
        lamppost.next_due = time.monotonic() + pause
        if lamppost.failures >= SILENT_AFTER:
            self.fell_silent(lamppost, why)

    def fell_silent(self, lamppost: Lamppost, why: str) -> None:
        """Nothing is heard of `lamppost` any more."""
        if lamppost.link == "silent":
            lamppost.log.debug("lamppost still silent", why=why, failures=lamppost.failures)
            return
        lamppost.link = "silent"
        lamppost.log.warning("lamppost silent", why=why)
        lamppost.changed()

"""One file on its way to several lampposts of a bus at once.

As in the LoRa Alliance's TS004: each is told, sealed, what comes; the chunks are said to all; then
each is asked what it misses, and that is sent again. Nothing of it is on disk: the lampposts keep
their chunks, and the rows of their updates say that they wait for them, so after kill -9 the same
goes on with asking.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gateway.errors import (
    BadReply,
    BufferUnavailable,
    LinkUnavailable,
    NodeRefused,
    NoReply,
    SealBroken,
)
from gateway.lampposts import multicast
from gateway.lampposts.lamppost import Lamppost
from gateway.logs import Logger
from gateway.updates.figures import Figures
from gateway.updates.members import Member, Outcome
from gateway.updates.parcel import Parcel
from gateway.updates.passes import Passes
from gateway.updates.voice import Voice
from gateway.waiting import happens_within

# After so many in a row who do not answer, they are probably at work: wait a moment.
_QUIET = 2
_LOOK_AGAIN_S = 0.25
_MOST_ROUNDS = 10
_MOST_TOLD = 3
_RETRY_S = 1.0
# It waits for further lampposts so many times as long as it waits for one more.
_GATHERINGS = 5

_TROUBLES = (NoReply, LinkUnavailable, SealBroken, BadReply, BufferUnavailable)


class Campaign:
    """Brings `parcel` to all who `join`.

    gather_s: how long it waits for one more before it begins; slot: held while it lasts.
    """

    def __init__(
        self,
        parcel: Parcel,
        voice: Voice,
        slot: asyncio.Semaphore,
        gather_s: float,
        figures: Figures,
        log: Logger,
    ) -> None:
        self._parcel = parcel
        self._voice = voice
        self._slot = slot
        self._gather_s = gather_s
        self._figures = figures
        self._log = log.bind(file=parcel.sha.hex()[:12])
        self._passes = Passes(parcel, voice, figures)
        self._members: list[Member] = []
        self._joined = asyncio.Event()
        self.over = False

    def join(self, lamppost: Lamppost, fresh: bool, progressed: Callable[[float], None]) -> Member:
        """Take part, now or in what is left; see Member. Not to be called when it is over."""
        member = Member(lamppost, self._parcel, fresh, progressed)
        self._members.append(member)
        self._joined.set()
        return member

    async def run(self) -> None:
        """Until everybody's part is over."""
        try:
            async with self._slot:
                await self._gather()
                await self._dismiss_one_alone()
                if self._present():
                    await self._go()
        except Exception as error:
            for member in self._present():
                member.outcome.set_exception(error)
            raise
        finally:
            self.over = True
            for member in self._present():
                member.settle(Outcome.SILENT)

    def _present(self) -> list[Member]:
        self._members = [member for member in self._members if not member.outcome.done()]
        return self._members

    async def _gather(self) -> None:
        until = time.monotonic() + _GATHERINGS * self._gather_s
        self._joined.set()
        while self._joined.is_set() and time.monotonic() < until:
            self._joined.clear()
            await happens_within(self._joined, self._gather_s)

    async def _dismiss_one_alone(self) -> None:
        present = self._present()
        if len(present) != 1:
            return
        member = present[0]
        if not member.fresh and not await member.ask():
            member.settle(Outcome.SILENT)
        # What it has of a multicast that this gateway was killed in is gone on with.
        if member.fresh or 2 * len(member.missing) > self._parcel.count:
            member.settle(Outcome.ALONE)

    async def _go(self) -> None:
        self._figures.multicasts += 1
        self._log.info("multicast begins", lampposts=len(self._members), chunks=self._parcel.count)
        began = time.monotonic()
        await self._announce()
        while self._present():
            try:
                await self._admit()
                if any(member.wants for member in self._present()):
                    await self._passes.once(self._present, self._let_in)
                await self._look()
            except _TROUBLES as error:
                self._log.debug("multicast waits", why=str(error))
                await asyncio.sleep(_RETRY_S)
        self._log.info("multicast over", seconds=round(time.monotonic() - began, 1))

    async def _announce(self) -> None:
        """Tell all at once who share the key; the others are told one by one."""
        key = self._voice.key
        if key is None:
            return
        keyed = [member for member in self._present() if member.fresh and key.has(member.lamppost)]
        if len(keyed) < 2:
            return
        parcel = self._parcel
        try:
            start = multicast.start(parcel.sha, parcel.size, parcel.chunk_size)
            await self._voice.say(await key.seal(start), 2)
        except _TROUBLES as error:
            self._log.debug("multicast not announced", why=str(error))
            return
        for member in keyed:
            # Who did not hear it says so, and is told alone.
            member.expecting = True
            await member.ask(1)

    async def _let_in(self) -> None:
        if self._joined.is_set():
            self._joined.clear()
            await self._admit()

    async def _admit(self) -> None:
        """Tell those who do not know yet what comes."""
        for member in [member for member in self._present() if not member.expecting]:
            if not member.by_bus or member.told >= _MOST_TOLD:
                member.settle(Outcome.LEFT)
            elif member.lamppost.link != "up":
                member.settle(Outcome.SILENT)
            elif await self._told(member):
                member.expecting = True
                if not member.fresh:
                    await member.ask()
                member.fresh = False

    async def _told(self, member: Member) -> bool:
        parcel, log = self._parcel, member.lamppost.log
        try:
            await multicast.expect(member.lamppost, parcel.sha, parcel.size, parcel.chunk_size)
        except NodeRefused as refused:
            log.debug("multicast refused", why=str(refused))
            expecting = False
            if not refused.passing:
                # An upload tells why.
                member.settle(Outcome.LEFT)
        except _TROUBLES as error:
            log.debug("multicast not told of", why=str(error))
            return False
        else:
            expecting = True
        member.told += 1
        member.heard()
        return expecting

    async def _look(self) -> None:
        """Ask each what it misses now, the one first that was asked longest ago."""
        quiet = 0
        for member in sorted(self._present(), key=lambda member: member.asked):
            if member.known or member.outcome.done():
                continue
            if not member.by_bus:
                member.settle(Outcome.LEFT)
            elif await member.ask(1):
                quiet = 0
                member.rounds += 1
                if member.rounds > _MOST_ROUNDS:
                    member.settle(Outcome.LEFT)
            else:
                quiet += 1
                member.leave_in_peace()
                if member.silent:
                    member.settle(Outcome.SILENT)
                if quiet % _QUIET == 0:
                    await asyncio.sleep(_LOOK_AGAIN_S)
        present = self._present()
        self._log.debug(
            "multicast looked round",
            lampposts=len(present),
            silent=sum(not member.known for member in present),
            missing=sum(len(member.missing) for member in present if member.wants),
            pause_ms=round(1000 * self._passes.pause_s),
        )
        if present and not any(member.wants for member in present):
            await asyncio.sleep(_LOOK_AGAIN_S)

"""One pass over a file in a multicast: each chunk that is missing, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.errors import (
    BadReply,
    BufferUnavailable,
    LinkUnavailable,
    NodeRefused,
    NoReply,
    SealBroken,
)
from gateway.lampposts import multicast
from gateway.updates.figures import Figures
from gateway.updates.members import Member
from gateway.updates.pace import Pace
from gateway.updates.parcel import Parcel
from gateway.updates.voice import Voice

# So many chunks are said before one of the lampposts, in turn, is asked how many of them it got.
_PROBE = 32


class Passes:
    """Sends the chunks of `parcel`; what it costs is counted in `figures`."""

    def __init__(self, parcel: Parcel, voice: Voice, figures: Figures) -> None:
        self._parcel = parcel
        self._voice = voice
        self._figures = figures
        self._pace = Pace(voice.chunk_s)
        self._sent: set[int] = set()

    @property
    def pause_s(self) -> float:
        """The pause after a chunk, as it is now, s."""
        return self._pace.pause_s

    async def once(
        self, members: Callable[[], list[Member]], between: Callable[[], Awaitable[None]]
    ) -> None:
        """Say to all what several lack, and give to one what it alone lacks.

        members(): those who take part at the moment; between(): done before each chunk.
        Raises LinkUnavailable.
        """
        deaf: set[Member] = set()
        recent: list[int] = []
        try:
            for index in range(self._parcel.count):
                await between()
                needing = [
                    member for member in members() if member.wants and index in member.missing
                ]
                if len(needing) > 1:
                    await self._say(index, needing)
                    recent.append(index)
                    if len(recent) == _PROBE:
                        await self._probe(recent, needing)
                        recent.clear()
                elif needing and needing[0] not in deaf and not await self._give(needing[0], index):
                    deaf.add(needing[0])
        finally:
            # What each got of it has to be asked.
            for member in members():
                member.known = not member.expecting
                member.leave_in_peace()

    async def _say(self, index: int, needing: list[Member]) -> None:
        data = self._parcel.chunk(index)
        await self._voice.say(multicast.chunk(self._parcel.name, index, data))
        self._note(index, data)
        for member in needing:
            member.passed(index)
        await asyncio.sleep(self._pace.pause_s)

    async def _give(self, member: Member, index: int) -> bool:
        data = self._parcel.chunk(index)
        log = member.lamppost.log
        try:
            await multicast.give(member.lamppost, self._parcel.name, index, data)
        except NodeRefused as refused:
            # It was the last, and the whole is not good; what it says when it is asked tells.
            log.debug("multicast chunk refused", why=str(refused))
        except (NoReply, LinkUnavailable, SealBroken, BadReply, BufferUnavailable) as error:
            log.debug("multicast chunk not taken", why=str(error))
            return False
        member.heard()
        member.missing -= {index}
        self._note(index, data)
        member.passed(index)
        return True

    async def _probe(self, recent: list[int], needing: list[Member]) -> None:
        """Ask one how many of the `recent` chunks it got, and go faster or slower."""
        member = min(needing, key=lambda member: member.asked)
        wanted = member.missing.intersection(recent)
        if wanted and await member.ask(1):
            self._pace.seen(len(wanted), len(member.missing & wanted))

    def _note(self, index: int, data: bytes) -> None:
        figures = self._figures
        figures.multicast_bytes += len(data)
        figures.chunks += 1
        figures.chunks_repeated += index in self._sent
        self._sent.add(index)

"""A lamppost's part in a multicast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from enum import Enum, auto

from gateway.errors import BadReply, LinkUnavailable, NoReply
from gateway.lampposts import multicast
from gateway.lampposts.lamppost import Lamppost
from gateway.updates.parcel import Parcel
from protocol import multicast as wire

# Those who have all of it verify and unpack it, and are deaf meanwhile, for seconds: polls would
# spend the line's time on timeouts.
_PEACE_S = 1.0
# Longer than any lamppost takes to unpack.
_SILENT_S = 60.0


class Outcome(Enum):
    """How a lamppost's part in a multicast ends."""

    COMPLETE = auto()  # it says that it has the file, and found it good
    REFUSED = auto()  # it has all of it and refused it: somebody else's chunks are among ours
    ALONE = auto()  # nobody else on the bus wants the file
    LEFT = auto()  # it does not know multicast, cannot take it, or keeps missing chunks
    SILENT = auto()  # it does not answer; what it has stays with it


class Member:
    """`lamppost`, which wants all of `parcel`.

    fresh: it was never told of the file, so it has nothing. progressed(share): called with the
    share of the file, 0..1, that it has.

    Attributes:
        expecting: it knows what comes. missing: chunks it lacks; `known` whether that is so now.
        told: how often it was told what comes. rounds: passes after which it still lacked some.
        asked: machine time of the last question.
        outcome: set at the end.
    """

    def __init__(
        self, lamppost: Lamppost, parcel: Parcel, fresh: bool, progressed: Callable[[float], None]
    ) -> None:
        self.lamppost = lamppost
        self.fresh = fresh
        self.expecting = False
        self.missing: frozenset[int] = frozenset(range(parcel.count))
        self.known = True
        self.told = 0
        self.rounds = 0
        self.asked = 0.0
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._parcel = parcel
        self._progressed = progressed
        self._answered = time.monotonic()

    @property
    def by_bus(self) -> bool:
        """Whether the bus is still the way to it."""
        return self.lamppost.session.route.best.kind == "bus"

    @property
    def wants(self) -> bool:
        """Whether chunks are known that it waits for."""
        return self.expecting and self.known and bool(self.missing)

    @property
    def silent(self) -> bool:
        """Whether it has not answered for so long that it is not waited for."""
        return time.monotonic() - self._answered > _SILENT_S

    def settle(self, outcome: Outcome) -> None:
        """Its part is over; nothing happens when it is already."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def heard(self) -> None:
        """It answered."""
        self._answered = time.monotonic()

    def passed(self, up_to: int) -> None:
        """Chunks up to `up_to` have gone by: tell how far it is if it missed none of them."""
        self._progressed(1 - sum(index > up_to for index in self.missing) / self._parcel.count)

    def leave_in_peace(self) -> None:
        """It may be at work and deaf: no visit for a while."""
        lamppost = self.lamppost
        lamppost.next_due = max(lamppost.next_due, time.monotonic() + _PEACE_S)

    async def ask(self, attempts: int | None = None) -> bool:
        """Learn what it has; whether it answered. What it answers may settle its part."""
        self.asked = time.monotonic()
        try:
            has = await multicast.has(
                self.lamppost, self._parcel.name, self._parcel.count, attempts
            )
        except (NoReply, LinkUnavailable, BadReply) as error:
            self.lamppost.log.debug("multicast: no answer", why=str(error))
            return False
        self.heard()
        self.known = True
        self.missing = has.missing
        match has.state:
            case wire.DONE:
                self.settle(Outcome.COMPLETE)
            case wire.REFUSED:
                self.settle(Outcome.REFUSED)
            case wire.NONE:
                # It has forgotten, or never heard of it: it is told again.
                self.expecting = False
                self.missing = frozenset(range(self._parcel.count))
            case _:
                if not has.missing:
                    # The power went while it was verified: any chunk makes it go on.
                    self.missing = frozenset({0})
        return True

"""Who saw somebody: calls to all lampposts of a bus, halved until one is alone.

A call that nobody answers costs its 12 bytes and the window in which an answer would begin. Where
several answer at once they garble each other; the call is then made again for the addresses that
end in 0 and in 1, and so on (busframe says how). A lamppost that hears another begin keeps silent
and answers the next call, as does whoever was not heard: nothing is lost by a call that fails.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.bus.transaction import Called
from protocol.busframe import BROADCAST_ADDRESS

# Calls in a row, after which what waits for the line has it again.
MOST_CALLS = 16
_ALL_BITS = 0xFF
Call = Callable[[int, int, bytes], Awaitable[Called]]


@dataclass
class Round:
    """What came of a round: calls made, and whether somebody answered who was never understood."""

    calls: int = 0
    unresolved: bool = False


@dataclass
class Caller:
    """Makes rounds of calls by `call(mask, value, heard)`.

    news: called with what each call brings and whether that was the last of the round.
    """

    call: Call
    news: Callable[[list[tuple[int, int]], bool], Awaitable[None]]
    # Whom the next call tells that they were heard. At first all: what was before is old.
    _heard: bytes = field(default=bytes((BROADCAST_ADDRESS,)))

    def begin(self) -> None:
        """There was a pause: whoever was seen in it is of no interest any more."""
        self._heard = bytes((BROADCAST_ADDRESS,))

    async def round(self, most_calls: int = MOST_CALLS) -> Round:
        """Call until everybody who answers has been understood, or `most_calls` are made.

        Raises LinkUnavailable, and what `news` raises.
        """
        done = Round()
        left = deque([(0, 0)])
        while left and done.calls < most_calls:
            mask, value = left.popleft()
            answers, garbled = await self.call(mask, value, self._heard)
            done.calls += 1
            self._heard = bytes({address for address, _ in answers})
            if garbled:
                self._halve(left, mask, value, done)
            await self.news(answers, not left)
        done.unresolved = done.unresolved or bool(left)
        return done

    def _halve(self, left: deque[tuple[int, int]], mask: int, value: int, done: Round) -> None:
        if mask == _ALL_BITS:
            # One address alone: that was noise, or two lampposts have it.
            done.unresolved = True
            return
        bit = mask + 1
        left.append((mask | bit, value))
        left.append((mask | bit, value | bit))

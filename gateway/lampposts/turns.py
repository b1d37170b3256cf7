"""Whose turn it is on the line.

One request at a time. Commands that people wait for go first. The other classes share the line's
time by weight, so that neither an upload, nor a backlog of readings, nor a presence sensor that
never rests can starve another.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import Final


class Traffic(IntEnum):
    """Classes of traffic on a line, in the order in which they go when nothing else decides."""

    COMMAND = 0
    PRESENCE = 1
    POLL = 2
    TRANSFER = 3


# Shares of the line's time while all of them want it; COMMAND takes what it needs.
WEIGHTS: Final = {Traffic.PRESENCE: 4, Traffic.POLL: 1, Traffic.TRANSFER: 1}
# A turn counts as this long at least (s): very short ones alternate.
_LEAST_S = 0.005


class Turns:
    """Gives out the line: `async with turns.take(Traffic.POLL): ...`.

    Stride scheduling (Waldspurger and Weihl, 1995): a class's pass grows by the time it has had
    over its weight, and the lowest pass goes next. A class that wanted nothing for a while gets no
    credit for it.

    `held_s` is how long each class has had the line, s; `busy` whether somebody has it now.
    """

    def __init__(self) -> None:
        self.busy = False
        self.held_s = dict.fromkeys(Traffic, 0.0)
        self._waiting: dict[Traffic, deque[asyncio.Future[None]]] = {t: deque() for t in Traffic}
        self._pass = dict.fromkeys(WEIGHTS, 0.0)
        # The pass of who went last: where a class begins that comes back.
        self._now = 0.0

    @asynccontextmanager
    async def take(self, traffic: Traffic) -> AsyncGenerator[None]:
        """Wait for the line, first come first served within a class, and hold it."""
        if self.busy:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[traffic].append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    # The turn had just been given to us: pass it on.
                    self._pass_on()
                raise
        self.busy = True
        began = time.monotonic()
        try:
            yield
        finally:
            self._count(traffic, time.monotonic() - began)
            self._pass_on()

    def _count(self, traffic: Traffic, seconds: float) -> None:
        self.held_s[traffic] += seconds
        if traffic is not Traffic.COMMAND:
            began = max(self._now, self._pass[traffic])
            self._now = began
            self._pass[traffic] = began + max(seconds, _LEAST_S) / WEIGHTS[traffic]

    def _pass_on(self) -> None:
        if any(self._waiting.values()):
            # Not yet: whoever has just had the line asks for it again in the same step, and what it
            # wants counts too. The line stays busy, so that nobody slips in.
            asyncio.get_running_loop().call_soon(self._grant)
        else:
            self.busy = False

    def _grant(self) -> None:
        shared = sorted(WEIGHTS, key=lambda traffic: (max(self._now, self._pass[traffic]), traffic))
        for traffic in (Traffic.COMMAND, *shared):
            queue = self._waiting[traffic]
            while queue:
                place = queue.popleft()
                if not place.done():
                    place.set_result(None)
                    return
        self.busy = False

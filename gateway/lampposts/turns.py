"""Whose turn it is on the line.

One request at a time. Commands that people wait for go first; polls and transfers (images,
configurations) alternate, so that neither an upload nor a backlog of readings can starve the other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import IntEnum


class Traffic(IntEnum):
    """Classes of traffic on a bus."""

    COMMAND = 0
    POLL = 1
    TRANSFER = 2


class Turns:
    """Gives out the line: `async with turns.take(Traffic.POLL): ...`."""

    def __init__(self) -> None:
        self._busy = False
        self._waiting: dict[Traffic, deque[asyncio.Future[None]]] = {t: deque() for t in Traffic}
        self._last = Traffic.TRANSFER

    @asynccontextmanager
    async def take(self, traffic: Traffic) -> AsyncGenerator[None]:
        """Wait for the line, first come first served within a class, and hold it."""
        if self._busy:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting[traffic].append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    # The turn had just been given to us: pass it on.
                    self._pass_on()
                raise
        self._busy = True
        if traffic is not Traffic.COMMAND:
            self._last = traffic
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        others = (
            (Traffic.TRANSFER, Traffic.POLL)
            if self._last is Traffic.POLL
            else (Traffic.POLL, Traffic.TRANSFER)
        )
        for traffic in (Traffic.COMMAND, *others):
            queue = self._waiting[traffic]
            while queue:
                place = queue.popleft()
                if not place.done():
                    # Stays busy in between, so that nobody slips in before the chosen one runs.
                    place.set_result(None)
                    return
        self._busy = False

"""Calling the lampposts of one bus, while any of them dims by presence and is lit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from gateway.bus.transaction import Called
from gateway.config.presence import PresenceSection
from gateway.errors import GatewayError
from gateway.groups.broadcast import Broadcaster
from gateway.groups.calls import Caller, Round
from gateway.groups.escort import COALESCE_S, Escort
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Traffic

# How often it is looked whether there is reason to call, and a line that cannot is tried again.
_LOOK_S = 1.0
# Rounds in a row with answers of which none was understood, after which it is called this seldom
# (s): that is noise, or somebody who wants the line for himself.
_MOST_UNRESOLVED = 3
_SELDOM_S = 5.0
# Line time for calls that may be saved up, or overdrawn, s.
_MOST_CREDIT_S = 0.5


def dims_by_presence(lamppost: Lamppost, desired: Callable[[bytes, str], Any]) -> bool:
    """Whether a lamppost is lit and dims by presence, as far as is known.

    desired(node, field) gives what the city wants of it, None where it wants nothing. One that has
    ever seen somebody has a sensor that it goes by.
    """
    lit = lamppost.link == "up" and lamppost.level != 0
    return lit and bool(lamppost.sightings or desired(lamppost.node, "presence/level"))


class Watch:
    """Calls the `lampposts` of bus `bus` as `section` has it, while `wanted()`.

    unresolved: rounds in which somebody answered who was never understood.
    """

    def __init__(
        self,
        bus: str,
        lampposts: Sequence[Lamppost],
        broadcaster: Broadcaster,
        escort: Escort,
        section: PresenceSection,
        wanted: Callable[[], bool],
    ) -> None:
        self._bus = bus
        self._by_address = {post.address: post for post in lampposts if post.address is not None}
        self._broadcaster = broadcaster
        self._escort = escort
        self._section = section
        self._wanted = wanted
        self._caller = Caller(self._call, self._news)
        self._began = 0.0
        self._credit = _MOST_CREDIT_S
        self._rated_at = time.monotonic()
        self._in_a_row = 0
        self.calls = 0
        self.unresolved = 0

    async def run(self) -> None:
        """Call until cancelled."""
        while True:
            if not self._wanted():
                self._caller.begin()
                await asyncio.sleep(_LOOK_S)
                continue
            await asyncio.sleep(self._pause())
            try:
                async with self._broadcaster.turns.take(Traffic.PRESENCE):
                    await self._round()
            except GatewayError:
                # The port; whoever polls says so.
                self._caller.begin()
                await asyncio.sleep(_LOOK_S)

    def _pause(self) -> float:
        """Seconds to the next round, so that calls keep to their share of the line."""
        if self._in_a_row >= _MOST_UNRESOLVED:
            return _SELDOM_S
        self._spend(0.0)
        return max(self._section.call_ms / 1000, -self._credit / self._section.line_share)

    def _spend(self, seconds: float) -> None:
        """Take line time from what has come together since it was last looked."""
        now = time.monotonic()
        earned = self._section.line_share * (now - self._rated_at)
        self._rated_at = now
        credit = min(_MOST_CREDIT_S, self._credit + earned) - seconds
        self._credit = max(-_MOST_CREDIT_S, credit)

    async def _round(self) -> None:
        self._began = time.monotonic()
        before = self._escort.sent
        done: Round = await self._caller.round()
        self.calls += done.calls
        self._spend(time.monotonic() - self._began)
        nobody = self._escort.sent == before and done.unresolved
        self._in_a_row = self._in_a_row + 1 if nobody else 0
        self.unresolved += done.unresolved

    async def _call(self, mask: int, value: int, heard: bytes) -> Called:
        window = self._section.window_ms / 1000
        return await self._broadcaster.line.call(mask, value, heard, window)

    async def _news(self, answers: list[tuple[int, int]], last: bool) -> None:
        for address, sightings in answers:
            lamppost = self._by_address.get(address)
            if lamppost is not None:
                self._escort.saw(lamppost, sightings)
        # One frame for all whom a round finds, unless finding them takes long.
        if last or time.monotonic() - self._began > COALESCE_S:
            await self._escort.flush(self._bus)

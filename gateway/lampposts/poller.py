"""Polling over one link: every lamppost in turn, the busy ones without a pause, the silent seldom.

The line of a bus takes one request at a time; a radio or a broker takes several.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from gateway.lampposts.agenda import Agenda, Kind
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.visits import MOST_COMMITS, Visits
from gateway.waiting import happens_within

# A link away for this long makes its lampposts silent.
_LINK_PATIENCE_S = 5.0
# One that is reached by another link is looked at again after this.
_ELSEWHERE_S = 5.0
# `cycle_s` is the longest pause of a time between one and two of these.
_CYCLE_WINDOW_S = 60.0


class Poller:
    """Sends `visits` to those of `lampposts` that are reached over this link.

    ours(lamppost): whether this link is the one in use to it at the moment; ready: set while the
    link is there; at_once: visits at the same time, at least 1.

    `visited` counts the visits; `on_progress` is called with the seconds that may now pass without
    one.
    """

    def __init__(
        self,
        lampposts: Sequence[Lamppost],
        ours: Callable[[Lamppost], bool],
        ready: asyncio.Event,
        visits: Visits,
        at_once: int = 1,
    ) -> None:
        self._lampposts: dict[bytes, Lamppost] = {}
        self._ours = ours
        self._ready = ready
        self._visits = visits
        self._at_once = at_once
        self._wake = asyncio.Event()
        self._agenda = Agenda()
        self._under_way: set[bytes] = set()
        self.visited = 0
        self.on_progress: Callable[[float], None] = lambda rests_s: None
        self._longest = [0.0, 0.0]
        self._window_ends = 0.0
        for lamppost in lampposts:
            self.add(lamppost)

    @property
    def cycle_s(self) -> float:
        """Longest time between two visits to a lamppost that is up, within the last minute, s."""
        return max(self._longest)

    def add(self, lamppost: Lamppost) -> None:
        """Visit `lamppost` too, from now on."""
        self._lampposts[lamppost.node] = lamppost
        lamppost.on_due.append(self._again)
        self._agenda.put(lamppost, lamppost.next_due)
        self._wake.set()

    def remove(self, lamppost: Lamppost) -> None:
        """Visit `lamppost` no more; a visit that is under way is made to its end."""
        del self._lampposts[lamppost.node]
        lamppost.on_due.remove(self._again)
        self._agenda.drop(lamppost)

    def wake(self) -> None:
        """Look again who is due."""
        self._wake.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    if not self._ready.is_set():
                        await self._without_link()
                    self._wake.clear()
                    self.on_progress(0.0)
                    found = self._next()
                    if found is None:
                        wait = self._agenda.wait(time.monotonic())
                        self.on_progress(wait)
                        await happens_within(self._wake, wait)
                        continue
                    lamppost, kind = found
                    self._under_way.add(lamppost.node)
                    if self._at_once == 1:
                        await self._visit(lamppost, kind)
                    else:
                        group.create_task(self._visit(lamppost, kind))
        finally:
            await self._visits.close()

    async def _visit(self, lamppost: Lamppost, kind: Kind) -> None:
        began = time.monotonic()
        self._note_pause(lamppost, began)
        lamppost.last_asked = began
        try:
            await self._visits.visit(lamppost)
        finally:
            self._under_way.discard(lamppost.node)
        self.visited += 1
        now = time.monotonic()
        self._agenda.visited(lamppost, kind, (now - began) / self._at_once, now)
        self._again(lamppost)

    def _next(self) -> tuple[Lamppost, Kind] | None:
        if len(self._under_way) >= self._at_once:
            return None
        now = time.monotonic()
        while (found := self._agenda.take(now)) is not None:
            lamppost, _ = found
            if not self._ours(lamppost):
                self._agenda.put(lamppost, now + _ELSEWHERE_S)
            elif lamppost.commits_pending < MOST_COMMITS:
                return found
            # Else its commits lag; the end of one puts it back.
        return None

    def _again(self, lamppost: Lamppost) -> None:
        """When `lamppost` is to be visited has changed, or one of its commits has ended."""
        node = lamppost.node
        if node in self._under_way or node not in self._lampposts:
            return
        now = time.monotonic()
        due = lamppost.next_due if self._ours(lamppost) else now + _ELSEWHERE_S
        self._agenda.put(lamppost, due)
        self._wake.set()

    def _note_pause(self, lamppost: Lamppost, now: float) -> None:
        if now >= self._window_ends:
            self._longest = [0.0, self._longest[0]]
            self._window_ends = now + _CYCLE_WINDOW_S
        if lamppost.link == "up" and lamppost.last_asked:
            self._longest[0] = max(self._longest[0], now - lamppost.last_asked)

    async def _without_link(self) -> None:
        if not await happens_within(self._ready, _LINK_PATIENCE_S):
            for lamppost in self._lampposts.values():
                if not lamppost.session.route.usable:
                    self._visits.fell_silent(lamppost, "no link to it is there")

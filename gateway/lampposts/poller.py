"""Polling over one link: every lamppost in turn, the busy ones without a pause, the silent seldom.

The line of a bus takes one request at a time; a radio or a broker takes several.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.visits import MOST_COMMITS, Visits
from gateway.waiting import happens_within

# A link away for this long makes its lampposts silent.
_LINK_PATIENCE_S = 5.0


class Poller:
    """Sends `visits` to those of `lampposts` that are reached over this link.

    ours(lamppost): whether this link is the one in use to it at the moment; ready: set while the
    link is there; at_once: visits at the same time, at least 1.
    """

    def __init__(
        self,
        lampposts: Sequence[Lamppost],
        ours: Callable[[Lamppost], bool],
        ready: asyncio.Event,
        visits: Visits,
        at_once: int = 1,
    ) -> None:
        self._lampposts = lampposts
        self._ours = ours
        self._ready = ready
        self._visits = visits
        self._at_once = at_once
        self._wake = asyncio.Event()
        self._under_way: dict[bytes, asyncio.Task[None]] = {}
        visits.committed = self.wake

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
                    lamppost, wait = self._next(time.monotonic())
                    if lamppost is None:
                        await happens_within(self._wake, wait)
                    elif self._at_once == 1:
                        lamppost.last_asked = time.monotonic()
                        await self._visits.visit(lamppost)
                    else:
                        self._begin(group, lamppost)
        finally:
            await self._visits.close()

    def _begin(self, group: asyncio.TaskGroup, lamppost: Lamppost) -> None:
        lamppost.last_asked = time.monotonic()
        task = group.create_task(self._visits.visit(lamppost))
        self._under_way[lamppost.node] = task

        def ended(_: asyncio.Task[None]) -> None:
            del self._under_way[lamppost.node]
            self._wake.set()

        task.add_done_callback(ended)

    def _next(self, now: float) -> tuple[Lamppost | None, float]:
        """The due lamppost that has waited longest; else None and how long until one is due."""
        if len(self._under_way) >= self._at_once:
            return None, 60.0
        ready = [
            item
            for item in self._lampposts
            if item.commits_pending < MOST_COMMITS
            and item.node not in self._under_way
            and self._ours(item)
        ]
        due = [item for item in ready if item.next_due <= now]
        if due:
            return min(due, key=lambda item: item.last_asked), 0.0
        # A lamppost whose commits lag wakes us when they are done; one that is taken over from
        # another link is found by looking again.
        wait = min((item.next_due - now for item in ready), default=60.0)
        return None, max(0.001, min(wait, 5.0 if len(ready) < len(self._lampposts) else 60.0))

    async def _without_link(self) -> None:
        if not await happens_within(self._ready, _LINK_PATIENCE_S):
            for lamppost in self._lampposts:
                if not lamppost.session.route.usable:
                    self._visits.fell_silent(lamppost, "no link to it is there")

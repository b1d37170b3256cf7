"""What is new about a lamppost, carried to everyone who acts on it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from gateway.buffer.state import State
from gateway.desired import Configurations
from gateway.errors import BufferUnavailable
from gateway.lampposts.lamppost import Lamppost
from gateway.reported import Reporter
from gateway.updates.manager import Updates


class News:
    """Keeps the facts, and has wishes, updates and reports look at them."""

    def __init__(
        self,
        state: State,
        lampposts: Mapping[bytes, Lamppost],
        configurations: Configurations,
        updates: Updates,
        reporter: Reporter,
    ) -> None:
        self._state = state
        self._lampposts = lampposts
        self._configurations = configurations
        self._updates = updates
        self._reporter = reporter
        self._pending: set[bytes] = set()
        self._wake = asyncio.Event()

    def changed(self, node: bytes) -> None:
        """There is something new about `node`."""
        self._pending.add(node)
        self._wake.set()
        self._configurations.wake()
        self._reporter.touch(node)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                node = self._pending.pop()
                facts = self._lampposts[node].facts
                try:
                    if facts is not None:
                        await self._state.save_facts(node, facts)
                    await self._updates.reconcile(node)
                except BufferUnavailable as error:
                    self._lampposts[node].log.debug("facts not saved", why=str(error))

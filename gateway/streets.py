"""The street as it is now: served, and put together anew when the configuration changes."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway import logs
from gateway.buffer.records import Position
from gateway.config import Configuration
from gateway.links import Links
from gateway.reload import Difference
from gateway.street import Street
from gateway.vitals import Vitals
from gateway.waiting import end

# What is read once, at the start: sections, or the links that they describe.
_AT_START = ("lan", "ble", "buffer", "outlet", "web", "commission")
# For a command that is on its way: one to a lamppost that does not answer takes about as long.
_COMMANDS_S = 5.0
# The part that vitals look after while no street is served.
_CHANGE = "reload"


class Streets:
    """Serves the street of `configuration` until `apply` gives another.

    Attributes:
        now: the street that is served.
    """

    def __init__(self, configuration: Configuration, links: Links, vitals: Vitals) -> None:
        self._links = links
        self._vitals = vitals
        self._positions: dict[bytes, Position] = {}
        self._facts: dict[bytes, dict[str, Any]] = {}
        self._wanted: tuple[Difference, Configuration] | None = None
        self._change = asyncio.Event()
        self._changed = asyncio.Event()
        self._there = asyncio.Event()
        # Held by who takes a message and by who changes the street: what is half taken would go on
        # in the street that was, beside the same thing in the one that is.
        self._door = asyncio.Lock()
        self.now = Street(configuration, links, vitals)

    async def load(self) -> None:
        """Take up what was under way before the start."""
        self._positions = await self._links.storage.records.load()
        # What `reconcile` goes by; a row without is of no use.
        self._facts = await self._links.storage.state.facts(
            lambda known: (known["hash"], known["confirmed"])
        )
        await self.now.load(self._positions, self._facts)
        self._there.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._until(asyncio.create_task(self.now.run()))
            if self._wanted is None:
                raise AssertionError("a street ends only for another")
            changes, fresh = self._wanted
            before = self.now
            self._vitals.part(_CHANGE)
            self._positions.update(before.leave())
            self._facts.update(
                (node, post.facts) for node, post in before.lampposts.items() if post.facts
            )
            await self._links.follow(changes, fresh)
            self.now = Street(fresh, self._links, self._vitals, before)
            await self.now.load(self._positions, self._facts)
            self._vitals.gone(_CHANGE)
            self._wanted = None
            self._change.clear()
            self._there.set()
            self._changed.set()

    async def apply(self, changes: Difference, fresh: Configuration) -> list[str]:
        """Take over what can be while everything runs; gives what waits for the next start.

        Nothing that has not changed is disconnected, and no lamppost that has not changed is taken
        for silent.
        """
        later = [key for key in changes.places() if key.split(".")[0] in _AT_START]
        later += [key for key in changes.restart if key not in later]
        # Who it is and where it keeps its data is held from the start to the end.
        fresh = fresh.model_copy(update={"gateway": self.now.configuration.gateway})
        if "log" in changes.sections:
            logs.set_up(fresh.log.level, fresh.log.format)
        async with self._door:
            await self.now.finish(_COMMANDS_S)
            self._wanted = changes, fresh
            self._changed.clear()
            self._there.clear()
            self._change.set()
            await self._changed.wait()
        return later

    async def received(self, topic: str, payload: bytes, expiry: int | None) -> None:
        """Take a message from the city, when there is a street to take it."""
        async with self._door:
            await self._there.wait()
            await self.now.inbox.received(topic, payload, expiry)

    async def report(self) -> None:
        """Report to the city until cancelled, whichever street it is. Raises MqttError."""
        while True:
            await self._there.wait()
            await self._until(asyncio.create_task(self.now.reporter.run()))

    async def _until(self, work: asyncio.Task[None]) -> None:
        """Until the street is to change; `work` has ended then. Raises what it raises."""
        change = asyncio.ensure_future(self._change.wait())
        try:
            await asyncio.wait({work, change}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            change.cancel()
            await end(work)

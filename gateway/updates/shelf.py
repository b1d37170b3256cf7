"""Release metadata from the broker, where each file is retained under its name.

MQTT has no word for "there is none": a file that may be missing is asked for together with one that
is there, after it, and is missing when the other comes first. A broker that keeps no order may so
hide a new root; what the old one does not vouch for is then not believed, and asked for again.
"""

from __future__ import annotations

import asyncio
import re
from typing import Protocol

from gateway.uplink.topics import release_metadata

_TIMESTAMP = "timestamp.json"
_ROOT = re.compile(r"\d+\.root\.json")


class Subscriptions(Protocol):
    """The part of the link that is needed here."""

    async def subscribe(self, topic: str) -> None:
        """Subscribe now, and after each reconnect."""
        ...

    async def unsubscribe(self, topic: str) -> None:
        """Undo it."""
        ...


class Absent(Exception):
    """The broker retains no such file."""


class Shelf:
    """Fetches one file at a time. What nobody waits for is not looked at: nothing piles up."""

    def __init__(self, link: Subscriptions) -> None:
        self._link = link
        self._turn = asyncio.Lock()
        self._wanted: frozenset[str] = frozenset()
        self._arrival: asyncio.Future[tuple[str, bytes]] | None = None

    async def get(self, name: str, timeout: float) -> bytes:
        """The metadata file `name`.

        Raises:
            Absent: the broker has none; told of root metadata only, which may be missing.
            TimeoutError: it has not come within `timeout` s.
        """
        names = (name, _TIMESTAMP) if _ROOT.fullmatch(name) else (name,)
        async with self._turn:
            self._arrival = asyncio.get_running_loop().create_future()
            self._wanted = frozenset(names)
            try:
                for each in names:
                    await self._link.subscribe(release_metadata(each))
                async with asyncio.timeout(timeout):
                    found, payload = await self._arrival
            finally:
                self._wanted, self._arrival = frozenset(), None
                for each in names:
                    await self._link.unsubscribe(release_metadata(each))
        if found != name:
            raise Absent(name)
        return payload

    def received(self, name: str, payload: bytes) -> None:
        """The broker gives a file; an empty one is no file any more."""
        if name in self._wanted and payload and self._arrival and not self._arrival.done():
            self._arrival.set_result((name, payload))

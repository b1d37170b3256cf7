"""Release metadata from the broker, where each file is retained under its name.

MQTT has no word for "there is none": a file that may be missing is asked for together with one that
is there, after it, and is missing when the other comes first. A broker that keeps no order may so
hide a new root; what the old one does not vouch for is then not believed, and asked for again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Protocol
from urllib.parse import unquote

from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

from gateway.uplink.topics import release_metadata

BASE_URL = "mqtt:"
_TIMESTAMP = "timestamp.json"
_ROOT = re.compile(r"\d+\.root\.json")
_NOT_FOUND = 404
# For the broker to acknowledge subscriptions, beside the wait for the file itself, s.
_MARGIN_S = 60.0


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


class ShelfFetcher(FetcherInterface):
    """The shelf as python-tuf's client asks for files: from a thread, which waits.

    Args:
        shelf: asked in `loop`.
        loop: the one that the link runs in.
        timeout_s: how long the broker may take to give a file.
    """

    def __init__(self, shelf: Shelf, loop: asyncio.AbstractEventLoop, timeout_s: float) -> None:
        self._shelf = shelf
        self._loop = loop
        self._timeout_s = timeout_s

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = unquote(url.removeprefix(BASE_URL).lstrip("/"))
        asked = self._shelf.get(name, self._timeout_s)
        try:
            answer = asyncio.run_coroutine_threadsafe(asked, self._loop)
        except RuntimeError:  # the loop has ended
            asked.close()
            raise
        try:
            payload = answer.result(self._timeout_s + _MARGIN_S)
        except Absent as error:
            raise DownloadHTTPError(f"the broker has no {name}", _NOT_FOUND) from error
        except TimeoutError as error:
            answer.cancel()
            raise SlowRetrievalError(f"the broker does not give {name}") from error
        return iter((payload,))

"""The shelf of release metadata at the broker, as python-tuf's client asks for files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import unquote

from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

from gateway.updates.shelf import Absent, Shelf

BASE_URL = "mqtt:"
_NOT_FOUND = 404
# For the broker to acknowledge subscriptions, beside the wait for the file itself, s.
_MARGIN_S = 60.0


class ShelfFetcher(FetcherInterface):
    """The shelf, asked from a thread, which waits.

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

"""What the city has signed for, asked before anything of a release is relayed to a lamppost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from tuf.ngclient import FetcherInterface

from gateway.logs import Logger, Trouble
from gateway.updates.catalogue import Catalogue
from gateway.updates.metadata import check_clock, refresh
from gateway.updates.trusted import NotTrusted, TrustedImage, TrustUnavailable

# For so long metadata is taken as the newest there is, unless something is asked that is not in it.
_FRESH_S = 60.0
# Between two looks, however many lampposts ask.
_PAUSE_S = 2.0
# A server that gives a byte now and then must not keep the reason from the city.
_PATIENCE_S = 120.0
_T = TypeVar("_T")
_EXPIRED = "the signed release metadata has expired; at the desk: lamplighter release refresh"


class RepositoryTrust:
    """Trust in what the repository's metadata names; see `gateway.updates.trusted.Trust`.

    Args:
        root: the root metadata given at commissioning.
        folder: where verified metadata is kept.
        base_url: where the metadata is, as `fetcher` understands it.
        fetcher: how it is fetched; called in a thread, by one at a time.
        log: where trouble is told once.
        now: the system's time, Unix seconds.
        pause_s: least seconds between two looks at the repository.
    """

    def __init__(
        self,
        root: bytes,
        folder: Path,
        base_url: str,
        fetcher: FetcherInterface,
        log: Logger,
        now: Callable[[], float] = time.time,
        pause_s: float = _PAUSE_S,
    ) -> None:
        self._root = root
        self._folder = folder
        self._base_url = base_url
        self._fetcher = fetcher
        self._log = log
        self._now = now
        self._trouble = Trouble(log, "release metadata unavailable")
        self._catalogue: Catalogue | None = None
        self._pause_s = pause_s
        # time.monotonic() at the beginning and the end of the last look, good or bad.
        self._begun = self._ended = float("-inf")
        self._failure = ""  # of that look
        self._looking: asyncio.Task[None] | None = None

    async def release(self, image_sha256: str) -> TrustedImage:
        """What the current metadata says of the image; see `Trust.release`."""
        found = await self._find(lambda held: held.images.get(image_sha256))
        if found is None:
            raise NotTrusted(
                f"image {image_sha256} is not in the city's signed list of releases; "
                "at the desk: lamplighter release publish"
            )
        return found

    async def path_of(self, sha256: str) -> str | None:
        """The target path of the image or delta, None when it is no target.

        Raises:
            TrustUnavailable: nothing can be said now.
        """
        return await self._find(lambda held: held.paths.get(sha256))

    async def _find(self, of: Callable[[Catalogue], _T | None]) -> _T | None:
        """What is there of metadata that holds; None only by a look that began after the asking."""
        asked = time.monotonic()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while self._begun < asked:
                    held = self._held()
                    found = None if held is None else of(held)
                    if found is not None and asked - self._begun <= _FRESH_S:
                        return found
                    await self._look()
        except TimeoutError:
            self._failure = f"release metadata has not come whole within {_PATIENCE_S:.0f} s"
        held = self._held()
        found = None if held is None else of(held)
        # A look that failed does not undo metadata that has been verified and still holds.
        if found is None and (held is None or self._failure):
            raise TrustUnavailable(self._failure or _EXPIRED)
        return found

    def _held(self) -> Catalogue | None:
        """What was verified, as long as it holds."""
        held, now = self._catalogue, self._now()
        if held is None or held.expires <= datetime.fromtimestamp(now, UTC):
            return None
        try:
            check_clock(now, held.signed)
        except TrustUnavailable as error:
            self._failure = str(error)
            return None
        return held

    async def _look(self) -> None:
        """Fetch and verify, or wait for who does already."""
        if self._looking is None or self._looking.done():
            # A task of its own: one update that is withdrawn must not end it for all.
            self._looking = asyncio.create_task(self._fetch())
        await asyncio.shield(self._looking)

    async def _fetch(self) -> None:
        await asyncio.sleep(max(0.0, self._ended + self._pause_s - time.monotonic()))
        begun = time.monotonic()
        try:
            held = await asyncio.to_thread(
                refresh, self._root, self._folder, self._base_url, self._fetcher, self._now()
            )
        except TrustUnavailable as error:
            self._failure = str(error)
            self._trouble.failed(why=str(error))
        else:
            if held.unusable and (self._catalogue is None or held != self._catalogue):
                self._log.warning("releases left out: not described", paths=held.unusable[:10])
            self._catalogue, self._failure = held, ""
            self._trouble.over()
        finally:
            self._begun, self._ended = begun, time.monotonic()

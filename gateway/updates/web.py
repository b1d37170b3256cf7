"""Releases by HTTP, from any server of the repository's folder."""

from __future__ import annotations

import asyncio
from typing import Protocol

from tuf.api.exceptions import DownloadError
from tuf.ngclient import FetcherInterface

from gateway.updates.images import ImageUnavailable
from gateway.updates.trusted import TrustUnavailable

_PATIENCE_S = 120.0


class Paths(Protocol):
    """What knows the target path of a file."""

    async def path_of(self, sha256: str) -> str | None:
        """The target path of the file with this SHA-256 (hexadecimal), None when it is no target.

        Raises:
            TrustUnavailable: nothing can be said now.
        """
        ...


class WebImages:
    """Images and deltas under `base_url`, which ends without a slash."""

    def __init__(self, base_url: str, fetcher: FetcherInterface, paths: Paths) -> None:
        self._base_url = base_url
        self._fetcher = fetcher
        self._paths = paths

    async def get(self, name: str, size: int) -> bytes:
        """At most `size` bytes of what should be the file with SHA-256 `name`; not checked here.

        Raises:
            ImageUnavailable: the server does not give it.
        """
        try:
            path = await self._paths.path_of(name)
            if path is None:
                raise ImageUnavailable(f"{name} is not in the city's signed list of releases")
            folder, slash, file = path.rpartition("/")
            url = f"{self._base_url}/{folder}{slash}{name}.{file}"
            async with asyncio.timeout(_PATIENCE_S):
                return await asyncio.to_thread(self._fetcher.download_bytes, url, size)
        except (DownloadError, TrustUnavailable, TimeoutError) as error:
            raise ImageUnavailable(
                f"{self._base_url} does not give {name}: {error.__cause__ or error}"
            ) from error

"""Release images on this gateway's disk, fetched from the broker and checked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from hashlib import sha256
from pathlib import Path

from gateway.errors import GatewayError
from gateway.files import write_atomically
from gateway.logs import Logger
from gateway.uplink.link import Link
from gateway.uplink.topics import release
from gateway.waiting import happens_within
from protocol import image as mcuboot
from protocol.errors import ProtocolError

LARGEST = mcuboot.MAX_IMAGE_SIZE + 2 * mcuboot.MAX_TLV_SIZE + 1024
_NAME = re.compile(r"[0-9a-f]{64}")


class ImageUnavailable(GatewayError):
    """The broker has not (yet) given the image."""


Download = Callable[[str, int], Awaitable[bytes]]


class Images:
    """Images and deltas by the SHA-256 of their file (hexadecimal), under `folder`.

    download(name, size): where they come from before the broker is asked; raises ImageUnavailable.
    """

    def __init__(
        self, folder: Path, link: Link, log: Logger, download: Download | None = None
    ) -> None:
        self._folder = folder
        self._link = link
        self._log = log
        self._download = download
        self._waiting: dict[str, asyncio.Event] = {}
        self._users: dict[str, int] = {}

    async def get(self, name: str, size: int, timeout: float) -> bytes:
        """The image `name` of `size` bytes, from the disk or the broker.

        Raises ImageUnavailable when the broker does not give it within `timeout` seconds.
        """
        stored = await asyncio.to_thread(self._load, name, size)
        if stored is not None:
            return stored
        if self._download is not None and await self._downloaded(name, size):
            stored = await asyncio.to_thread(self._load, name, size)
            if stored is not None:
                return stored
        arrived = self._waiting.setdefault(name, asyncio.Event())
        self._users[name] = self._users.get(name, 0) + 1
        try:
            if self._users[name] == 1:
                await self._link.subscribe(release(name))
            await happens_within(arrived, timeout)
        finally:
            self._users[name] -= 1
            if self._users[name] == 0:
                del self._users[name], self._waiting[name]
                await self._link.unsubscribe(release(name))
        stored = await asyncio.to_thread(self._load, name, size)
        if stored is None:
            raise ImageUnavailable(f"the broker does not give image {name} of {size} bytes")
        return stored

    async def _downloaded(self, name: str, size: int) -> bool:
        assert self._download is not None  # noqa: S101 - asked before
        try:
            data = await self._download(name, size)
        except ImageUnavailable as error:
            self._log.warning("image not downloaded; the broker is asked", why=str(error))
            return False
        return await self._keep(name, data)

    async def received(self, name: str, payload: bytes) -> None:
        """The broker gives an image. It is believed only if it is what its name says."""
        # Whoever asked may have given up while it was being written.
        if (
            name in self._waiting
            and await self._keep(name, payload)
            and (arrived := self._waiting.get(name))
        ):
            arrived.set()

    async def _keep(self, name: str, data: bytes) -> bool:
        if len(data) > LARGEST or sha256(data).hexdigest() != name:
            self._log.warning("image refused: not what its name says", image=name)
            return False
        try:
            await asyncio.to_thread(self._store, name, data)
        except OSError as error:
            self._log.error("image cannot be stored", image=name, error=str(error))
            return False
        return True

    async def keep_only(self, names: Collection[str]) -> None:
        """Delete the images no update needs any more; what cannot be deleted stays."""
        try:
            await asyncio.to_thread(self._delete_except, frozenset(names))
        except OSError as error:
            self._log.warning("images of old updates cannot be deleted", error=str(error))

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ImageUnavailable(f"{name!r} is not a SHA-256 in hexadecimal")
        return self._folder / f"{name}.img"

    def _load(self, name: str, size: int) -> bytes | None:
        path = self._path(name)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        # Checked again each time: a memory card may have had its own ideas meanwhile.
        if len(data) != size or sha256(data).hexdigest() != name:
            return None
        return data

    def _store(self, name: str, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path(name), data)

    def _delete_except(self, names: frozenset[str]) -> None:
        if not self._folder.exists():
            return
        for path in self._folder.iterdir():
            # That of a file being written begins with a dot and goes on with the image's name.
            name = path.name.removeprefix(".").partition(".")[0]
            if name not in names and name not in self._waiting:
                path.unlink(missing_ok=True)


def hash_of(data: bytes) -> str:
    """The MCUboot hash of an image file, hexadecimal, computed and compared with its hash TLV.

    Raises ProtocolError when the file is no image or its hash TLV differs.
    """
    header, payload, protected, _ = mcuboot.parse_header(data)
    covered = header + payload + protected
    if covered > len(data):
        raise ProtocolError("image: cut short")
    stated = mcuboot.find(mcuboot.parse_tlvs(data[covered:], mcuboot.TLV_MAGIC), mcuboot.TLV_SHA256)
    computed = sha256(data[:covered]).digest()
    if stated != computed:
        raise ProtocolError("image: its hash TLV does not match its content")
    return computed.hex()

"""A node's flash as the factory writes it: a littlefs with the application and an identity.

Ten lampposts differ in their identity only: one base image is made, and each identity put into a
copy of it.
"""

# The node's own code, which is used here, has the annotations that MicroPython can read.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
import asyncio
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from zlib import crc32

from littlefs import LittleFS, LittleFSError, UserContext

from firmware.bootstage import halves, slotfile, slotstate
from firmware.build.bootfiles import stock_files
from firmware.build.errors import BuildError
from firmware.build.image import BLOCK_SIZE, FLASH_BLOCKS, ImageInfo, inspect, romfs_of
from firmware.node import identity as identity_file
from firmware.node.update import romfs
from firmware.node.update.refusal import Refused
from firmware.node.update.store import check_name
from protocol import configuration

FLASH_SIZE = FLASH_BLOCKS * BLOCK_SIZE
# The partition "romfs" of the smallest table in hardware/partitions.
ROM_SIZE = 704 * 1024
_CONFIGURATION = "/configuration.cbor"
FIRST_CONFIGURATION = 1
"""Version of a configuration that nobody has pushed: any that a city pushes is another document."""
_DISK_VERSION = 0x0002_0000  # 2.0, which every MicroPython reads


class Slots(StrEnum):
    """Where a node keeps its two slots: folders of the littlefs, or halves of a partition."""

    FOLDER = "folder"
    ROMFS = "romfs"


@dataclass(frozen=True)
class FactoryFlash:
    """What a new node is flashed with.

    Attributes:
        flash: the littlefs partition, whole 4096-byte blocks.
        identity: the bytes of ``identity.cbor``, also to be kept in NVS (namespace "lamp", blob
            "identity").
    """

    flash: bytes
    identity: bytes


def base_image(
    signed: bytes,
    size: int = FLASH_SIZE,
    slots: Slots = Slots.FOLDER,
    *,
    stock: bool = False,
) -> bytes:
    """A littlefs of `size` bytes: the image's application in slot 0, confirmed, and no identity.

    With ``Slots.ROMFS`` the application is in the other partition, which :func:`rom_partition`
    makes; the littlefs says only that it is the confirmed one. With `stock` the boot stage is on
    it, and what stock MicroPython starts it by.

    Raises:
        BuildError: `signed` is no whole image, does not fit, or is for a board that is not known.
    """
    info = inspect(signed)
    state = slotstate.fresh(0, info.security_counter)
    state["check"] = slotstate.check(state)
    files = {"/boot.json": json.dumps(state).encode()}
    if slots is Slots.FOLDER:
        unpacked = _unpacked(signed)
        listed = _head(info) + b"".join(
            slotfile.entry(name, len(data), hashlib.sha256(data).hexdigest())
            for name, data in unpacked.items()
        )
        files |= {f"/slot0/{name}": data for name, data in unpacked.items()}
        files[f"/slot0/{slotfile.NAME}"] = listed + slotfile.tail(hashlib.sha256(listed).digest())
    if stock:
        files |= stock_files(info.board)
    return written(filesystem(bytes(b"\xff" * size), new=True), files)


def rom_partition(signed: bytes, size: int = ROM_SIZE) -> bytes:
    """The partition "romfs" of `size` bytes: the image's application in the first half.

    Raises:
        BuildError: `signed` is no whole image, or does not fit.
    """
    info = inspect(signed)
    _unpacked(signed)  # what a node would refuse is not put there either
    image, sha = romfs_of(signed)
    half = size // BLOCK_SIZE // 2 * BLOCK_SIZE
    if len(image) > half - BLOCK_SIZE:
        raise BuildError(f"payload of {len(image)} bytes, a slot has {half - BLOCK_SIZE}")
    listed = _head(info) + slotfile.entry(halves.ENTRY, len(image), sha.hex())
    listed += slotfile.tail(hashlib.sha256(listed).digest())
    return (listed.ljust(BLOCK_SIZE, b"\xff") + image).ljust(size, b"\xff")


def _head(info: ImageInfo) -> bytes:
    return slotfile.head(info.version, info.image_hash, info.security_counter, info.file_sha256)


def _unpacked(signed: bytes) -> dict[str, bytes]:
    """The files of the image, read by the node's own reader. Raises BuildError."""
    image, sha = romfs_of(signed)
    sink = _Files()
    try:
        asyncio.run(romfs.unpack(io.BytesIO(image), len(image), sha, sink))
    except Refused as refused:
        raise BuildError(f"a node would refuse this image: {refused.text}") from refused
    return sink.files


def with_identity(base: bytes, identity: Mapping[str, Any]) -> FactoryFlash:
    """A copy of `base` for one node.

    Args:
        base: what :func:`base_image` made.
        identity: "id" (6 bytes), "board", "address" (1 to 247), "keys" (key id to 16 bytes),
            "release_key" (RSA-3072 modulus, 384 bytes).

    Raises:
        BuildError: `base` is no such image, or the identity is none.
    """
    try:
        data = identity_file.encode(dict(identity))
    except identity_file.IdentityError as error:
        raise BuildError(str(error)) from error
    flash = written(filesystem(base, new=False), {f"/{identity_file.NAME}": data})
    return FactoryFlash(flash, data)


def with_configuration(flash: bytes, values: Mapping[str, Any]) -> bytes:
    """A copy of `flash` with a first configuration of `values` (by field name).

    Raises:
        BuildError: a value that no node takes, or `flash` is no littlefs.
    """
    if refused := configuration.validate(dict(values)):
        raise BuildError("; ".join(refused))
    document = configuration.document(FIRST_CONFIGURATION, dict(values))
    # As the node's settings.py keeps it.
    kept = document + crc32(document).to_bytes(4, "little")
    return written(filesystem(flash, new=False), {_CONFIGURATION: kept})


class _Files:
    """A sink for the ROMFS reader that keeps the files in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._name = ""

    def open(self, name: str, size: int) -> None:
        check_name(name)
        self._name = name
        self.files[name] = b""

    def write(self, view: memoryview) -> None:
        self.files[self._name] += view

    def close(self) -> None:
        """Nothing to do: the file is in memory."""


def filesystem(contents: bytes, *, new: bool) -> LittleFS:
    """A mounted littlefs over a copy of `contents`, formatted if `new`. Raises BuildError."""
    if not contents or len(contents) % BLOCK_SIZE:
        raise BuildError(f"expected whole blocks of {BLOCK_SIZE} bytes, got {len(contents)} bytes")
    context = UserContext(len(contents))
    context.buffer[:] = contents
    filesystem = LittleFS(
        context=context,
        mount=False,
        block_size=BLOCK_SIZE,
        block_count=len(contents) // BLOCK_SIZE,
        disk_version=_DISK_VERSION,
        # As MicroPython sets littlefs up (extmod/vfs_lfs.c).
        read_size=32,
        prog_size=32,
        cache_size=128,
        lookahead_size=32,
        block_cycles=100,
    )
    try:
        if new:
            filesystem.format()
        filesystem.mount()
    except LittleFSError as error:
        raise BuildError(f"expected a littlefs image, got {error}") from error
    return filesystem


def written(target: LittleFS, files: Mapping[str, bytes]) -> bytes:
    """The bytes of `target` once `files` (path to contents) are in it. Raises BuildError."""
    try:
        for path, data in files.items():
            target.makedirs(path.rpartition("/")[0] or "/", exist_ok=True)
            with target.open(path, "wb") as file:
                file.write(data)
        target.unmount()
    except LittleFSError as error:
        raise BuildError(f"the flash image cannot be written: {error}") from error
    return bytes(target.context.buffer)

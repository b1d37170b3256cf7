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
from typing import Any

from littlefs import LittleFS, LittleFSError, UserContext

from firmware.bootstage import slotfile, slotstate
from firmware.build.errors import BuildError
from firmware.build.image import BLOCK_SIZE, FLASH_BLOCKS, inspect, romfs_of
from firmware.node import identity as identity_file
from firmware.node.update import romfs
from firmware.node.update.refusal import Refused
from firmware.node.update.store import check_name

FLASH_SIZE = FLASH_BLOCKS * BLOCK_SIZE
_DISK_VERSION = 0x0002_0000  # 2.0, which every MicroPython reads


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


def base_image(signed: bytes, size: int = FLASH_SIZE) -> bytes:
    """A littlefs of `size` bytes: the image's application in slot 0, confirmed, and no identity.

    Raises:
        BuildError: `signed` is no whole image, or does not fit.
    """
    info = inspect(signed)
    packed, sha = romfs_of(signed)
    sink = _Files()
    try:
        asyncio.run(romfs.unpack(io.BytesIO(packed), info.inflated_size, sha, sink))
    except Refused as refused:
        raise BuildError(f"a node would refuse this image: {refused.text}") from refused
    listed = slotfile.head(
        info.version, info.image_hash, info.security_counter, info.file_sha256
    ) + b"".join(
        slotfile.entry(name, len(data), hashlib.sha256(data).hexdigest())
        for name, data in sink.files.items()
    )
    listed += slotfile.tail(hashlib.sha256(listed).digest())
    state = slotstate.fresh(0, info.security_counter)
    state["check"] = slotstate.check(state)
    files = {f"/slot0/{name}": data for name, data in sink.files.items()}
    files[f"/slot0/{slotfile.NAME}"] = listed
    files["/boot.json"] = json.dumps(state).encode()
    return _written(_filesystem(bytes(b"\xff" * size), new=True), files)


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
    flash = _written(_filesystem(base, new=False), {f"/{identity_file.NAME}": data})
    return FactoryFlash(flash, data)


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


def _filesystem(contents: bytes, *, new: bool) -> LittleFS:
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


def _written(filesystem: LittleFS, files: Mapping[str, bytes]) -> bytes:
    try:
        for path, data in files.items():
            filesystem.makedirs(path.rpartition("/")[0] or "/", exist_ok=True)
            with filesystem.open(path, "wb") as file:
                file.write(data)
        filesystem.unmount()
    except LittleFSError as error:
        raise BuildError(f"the flash image cannot be written: {error}") from error
    return bytes(filesystem.context.buffer)

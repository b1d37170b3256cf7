"""The idle slot: where a new image's files go.

Two forms, one for each slot store of the boot stage: a folder on littlefs that the files are
unpacked to, or half of a mapped partition that the ROMFS image is written to as it is.
`slot_store` gives the one that this build has. Both are sinks for `romfs.unpack`.
"""

import asyncio
import os
import sys
from binascii import crc32, hexlify
from hashlib import sha256

from . import refusal
from .budget import Budget, SlotSize
from .refusal import Refused

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_FILES = 180
PACKAGES = ("node", "protocol")

_DIRECTORY = 0x4000
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789_"
_MPY_VERSION = getattr(sys.implementation, "_mpy", 6) & 0xFF
_SMALL_INT_BITS = 31  # of the node's 32-bit words


def slot_store(boot, budget: Budget):
    """The writer of the idle slot of `boot`, up to its share of `budget`."""
    if boot.slots_store.capacity:
        return HalfStore(boot)
    return FolderStore(boot, budget)


class _Names:
    """The files of an image, each checked as it comes: what a slot must not hold is Refused."""

    def __init__(self):
        # CRC-32 of each, in the 30 bits that cost no heap: the names themselves would take 5 KB.
        self._names = set()
        self._name = ""
        self._size = 0

    def open(self, name: str, size: int) -> None:
        """Begin the file `name` of `size` bytes."""
        check_name(name)
        known = _known(name)
        if known in self._names:
            raise Refused(refusal.FILE_NAME, "payload: %s is there twice" % name)
        if len(self._names) == MAX_FILES:
            raise Refused(refusal.FILE_NAME, "payload: more than %d files" % MAX_FILES)
        if size < 4:
            raise Refused(refusal.BYTECODE, "payload: %s is too short for a .mpy file" % name)
        self._names.add(known)
        self._name = name
        self._size = 0

    def write(self, view) -> None:
        """The next bytes of the open file."""
        if self._size == 0:
            _check_bytecode(self._name, view)
        self._size += len(view)

    def check_whole(self) -> None:
        """After the last file."""
        if _known("node/app.mpy") not in self._names:
            raise Refused(refusal.PAYLOAD, "payload: there is no node/app.mpy to start")


class HalfStore(_Names):
    """Writes the image itself to the idle half."""

    def __init__(self, boot):
        super().__init__()
        self._boot = boot
        self._writer: Any = None

    async def erase(self) -> None:
        """Empty the slot. Raises Refused when the node depends on it, OSError from the flash."""
        _release(self._boot)

    def begin(self, info) -> None:
        """The slot is empty, the bytes of a verified image follow. info: `image.ImageInfo`."""
        boot = self._boot
        try:
            self._writer = boot.slots_store.begin(
                boot.idle_slot, _head(boot, info), info.inflated_size, info.inflated_sha
            )
        except ValueError as error:
            raise Refused(refusal.TOO_LARGE, str(error)) from None

    def raw(self, view) -> None:
        """The next bytes of the image itself, before they are looked into."""
        try:
            self._writer.write(view)
        except ValueError as error:
            raise Refused(refusal.PAYLOAD, "payload: %s" % error) from None

    def close(self) -> None:
        """The open file is whole."""

    async def abandon(self) -> None:
        """After an error: without its list the slot is empty, and there is nothing to give back."""
        self._writer = None

    async def finish(self) -> None:
        """Read everything back, then install it; as `FolderStore.finish`."""
        self.check_whole()
        problem = ""
        for problem in self._writer.check():  # noqa: B007 - the last counts
            await asyncio.sleep(0)
        if problem:
            raise Refused(refusal.FLASH, "flash did not keep it: %s" % problem)
        self._writer.install()
        self._boot.installed(self._boot.idle_slot)


class FolderStore(_Names):
    """Writes the files of an image to the idle slot's folder, up to the share of `budget`."""

    def __init__(self, boot, budget: Budget):
        super().__init__()
        self._boot = boot
        self._budget = budget
        self._used = SlotSize(budget.block_size)
        self._folder = boot.slots_store.folder(boot.idle_slot)
        self._record: Any = None
        self._file: Any = None
        self._digest: Any = None
        self._erased = False

    async def erase(self) -> None:
        """Empty the slot. Raises Refused when the node depends on it, OSError from the flash."""
        _release(self._boot)
        try:
            os.stat(self._folder)
        except OSError:
            os.mkdir(self._folder)
        await _erase(self._folder)
        self._erased = True

    def begin(self, info) -> None:
        """The slot is empty, the files of a verified image follow. info: `image.ImageInfo`."""
        boot = self._boot
        self._record = boot.slots_store.begin(boot.idle_slot, _head(boot, info))

    def open(self, name: str, size: int) -> None:
        """Begin the file `name` of `size` bytes; Refused: a name not ours, or no room for it."""
        super().open(name, size)
        self._used.add(name, size)
        self._budget.check_slot(self._used.blocks)
        at = 0
        path = self._folder + "/" + name
        while True:
            at = path.find("/", at + 1)
            if at < 0:
                break
            if at > len(self._folder):
                _make_folder(path[:at])
        self._file = open(path, "wb")
        self._digest = sha256()

    def write(self, view) -> None:
        """The next bytes of the open file."""
        super().write(view)
        self._file.write(view)
        self._digest.update(view)

    def close(self) -> None:
        """The open file is whole."""
        self._file.close()
        self._file = None
        self._record.add(self._name, self._size, hexlify(self._digest.digest()).decode())

    async def abandon(self) -> None:
        """After an error: give the space of what was written back. Raises nothing."""
        try:
            if self._file is not None:
                file = self._file
                self._file = None
                file.close()
            if self._record is not None:
                self._record.abandon()
            if self._erased:
                await _erase(self._folder)
        except OSError as error:
            # The slot is an empty one all the same, and is erased before the next image.
            print("update: the idle slot cannot be cleared:", error)

    async def finish(self) -> None:
        """Read everything back, then install it: from here on the slot can be started.

        Raises Refused when the flash did not keep what it was given, OSError from the flash.
        """
        self.check_whole()
        self._record.finish()
        self._record = None
        problem = ""
        slots = self._boot.slots_store
        for problem in slots.checking(self._boot.idle_slot, True):  # noqa: B007 - the last counts
            await asyncio.sleep(0)
        if problem:
            raise Refused(refusal.FLASH, "flash did not keep it: %s" % problem)
        slots.install(self._boot.idle_slot)
        self._boot.installed(self._boot.idle_slot)


def _known(name: str) -> int:
    return crc32(name.encode()) & 0x3FFFFFFF


def _release(boot) -> None:
    try:
        boot.release(boot.idle_slot)
    except ValueError as error:
        raise Refused(refusal.FLASH, str(error)) from None


def _head(boot, info) -> bytes:
    return boot.head(info.version_text, info.hash, info.security_counter, info.upload_sha)


def check_name(name: str) -> None:
    """Only packages of ours, only lower-case names, only .mpy: nothing can land elsewhere."""
    parts = name.split("/")
    good = 2 <= len(parts) <= 4 and parts[0] in PACKAGES and parts[-1].endswith(".mpy")
    if good:
        parts[-1] = parts[-1][:-4]
        for part in parts:
            if not part or not all(letter in _NAME for letter in part):
                good = False
    if not good:
        raise Refused(refusal.FILE_NAME, "payload: %s is not a name of ours" % name)


def _check_bytecode(name: str, view) -> None:
    """The header of a .mpy file (py/persistentcode.c): "M", version, architecture, integer bits."""
    if len(view) < 4 or view[0] != 0x4D or view[1] != _MPY_VERSION:
        raise Refused(
            refusal.BYTECODE,
            "payload: %s is not bytecode of version %d" % (name, _MPY_VERSION),
        )
    if view[2] >> 2 or view[3] > _SMALL_INT_BITS:
        raise Refused(refusal.BYTECODE, "payload: %s is for another processor" % name)


def _make_folder(path: str) -> None:
    try:
        os.stat(path)
    except OSError:
        os.mkdir(path)


async def _erase(folder: str) -> None:
    """Remove all that is in `folder`."""
    for entry in list(os.ilistdir(folder)):
        path = folder + "/" + entry[0]
        if entry[1] == _DIRECTORY:
            await _erase(path)
            os.rmdir(path)
        else:
            os.remove(path)
        await asyncio.sleep(0)

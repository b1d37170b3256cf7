"""What the flash is shared out to, so that an update never costs a record.

At the end of an installation the flash holds, all at once and each at its largest: the log, the
running slot, the slot that was just unpacked, and the upload it came from. Blocks of littlefs:

    all = log + 2 * slot + upload + RESERVE + boot stage (on stock MicroPython)

Where the slots are halves of a partition of their own, the upload has all that the log leaves.
An image that needs more than its share is refused, and so is one that does not fit beside what is
on flash now with all of its share left to the log.
"""

import os

from ..log import DEFAULT_LIMIT
from . import refusal
from .refusal import Refused

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Root and log folder, the small files in them, the segment being rewritten, folders being moved.
RESERVE = 12
_STARTERS = 4  # blocks of boot.py, main.py and what they import beside the boot stage
# An image is deflated and without folders, its files end within blocks: measured 18 to 81.
_UPLOAD_SHARE = 11  # per cent of what the log and the fixed shares leave
_FOLDER = 2  # blocks of the metadata of a folder
_INLINE = 128  # bytes of a file that littlefs keeps in its folder's metadata
_DIRECTORY = 0x4000
_LINE = 112  # bytes of a file's line in slot.json


class Budget:
    """The shares of a flash of `blocks` blocks of `block_size` bytes; log_limit: bytes.

    capacity: bytes of a slot that is no folder on this flash, 0 when it is one. boot_stage: blocks
    of it that the boot stage takes, where that is on it.

    Attributes:
        upload_blocks: share of the upload, slot_blocks: of each slot, log_blocks: of the log.
        max_image: largest image file, bytes.
        max_inflated: ROMFS size above which no payload can fit its slot, bytes.
    """

    def __init__(
        self,
        blocks: int,
        block_size: int,
        log_limit: int = DEFAULT_LIMIT,
        capacity: int = 0,
        boot_stage: int = 0,
    ):
        self.blocks = blocks
        self.block_size = block_size
        self.log_blocks = _ceil(log_limit, block_size)
        room = max(0, blocks - self.log_blocks - RESERVE - boot_stage)
        if capacity:
            self.upload_blocks = room
            self.slot_blocks = 0
            self.max_inflated = capacity
        else:
            self.upload_blocks = room * _UPLOAD_SHARE // 100
            self.slot_blocks = (room - self.upload_blocks) // 2
            self.max_inflated = self.slot_blocks * block_size
        self.max_image = self.upload_blocks * block_size

    def check_image(self, length: int) -> None:
        """Refused when an image file of `length` bytes is above its share."""
        if length > self.max_image:
            raise Refused(
                refusal.TOO_LARGE,
                "image of %d bytes, at most %d are taken (%s)" % (length, self.max_image, self),
            )

    def check_inflated(self, size: int) -> None:
        """Refused when a ROMFS of `size` bytes can fit no slot."""
        if size > self.max_inflated:
            raise Refused(
                refusal.TOO_LARGE,
                "payload of %d bytes when inflated, at most %d are taken (%s)"
                % (size, self.max_inflated, self),
            )

    def check_slot(self, blocks: int) -> None:
        """Refused when files that take `blocks` blocks are above a slot's share."""
        if blocks > self.slot_blocks:
            raise Refused(
                refusal.TOO_LARGE,
                "payload: %d blocks or more when unpacked, at most %d are taken (%s)"
                % (blocks, self.slot_blocks, self),
            )

    def check_free(self, root: str, length: int, returned: int) -> None:
        """Refused when an upload of `length` bytes would take what the log may still need.

        root: the folder flash is mounted at; returned: bytes of another upload that make place.
        OSError from the flash.
        """
        size = self.block_size
        # Counted, since statvfs of MicroPython 1.26 takes each folder for two.
        free = self.blocks - used(root, size) + _ceil(returned, size)
        kept = max(0, self.log_blocks - (used(root + "/log", size) - _FOLDER)) + RESERVE // 2
        needed = _ceil(length, size) + kept
        if free < needed:
            raise Refused(
                refusal.FLASH,
                "flash has %d free blocks, the image needs %d of them: %d for itself, "
                "%d are kept for the log" % (free, needed, needed - kept, kept),
            )

    def __str__(self) -> str:
        return "of %d blocks the log has %d, each slot %d, an upload %d" % (
            self.blocks,
            self.log_blocks,
            self.slot_blocks,
            self.upload_blocks,
        )


def of(root: str, log_limit: int, capacity: int = 0) -> Budget:
    """The shares of the flash that is mounted at `root`. OSError from the flash."""
    stat = os.statvfs(root)
    boot_stage = used(root + "/bootstage", stat[0])
    if boot_stage:
        boot_stage += _STARTERS
    return Budget(stat[2], stat[0], log_limit, capacity, boot_stage)


class SlotSize:
    """Counts the blocks that files take in a slot, slot.json with them, in `blocks`."""

    def __init__(self, block_size: int):
        self._size = block_size
        self._folders = set()
        self._files = 0
        self._data = 0

    def add(self, name: str, size: int) -> None:
        """A file: its path under the slot's folder, and its bytes."""
        at = name.find("/")
        while at >= 0:
            self._folders.add(name[:at])
            at = name.find("/", at + 1)
        self._files += 1
        if size > _INLINE:
            self._data += _ceil(size, self._size)

    @property
    def blocks(self) -> int:
        """Blocks of all files so far, and of the folders that hold them."""
        listed = _ceil((self._files + 3) * _LINE, self._size)
        return self._data + listed + _FOLDER * (1 + len(self._folders))


def used(folder: str, size: int) -> int:
    """Blocks of `size` bytes that a folder takes with all in it; 0 when it is not there."""
    blocks = _FOLDER
    try:
        entries: Any = os.ilistdir(folder)  # littlefs gives four values, the fourth is the size
    except OSError:
        return 0
    for entry in entries:
        if entry[1] == _DIRECTORY:
            blocks += used(folder + "/" + entry[0], size)
        elif entry[3] > _INLINE:
            blocks += _ceil(entry[3], size)
    return blocks


def _ceil(count: int, size: int) -> int:
    return (count + size - 1) // size

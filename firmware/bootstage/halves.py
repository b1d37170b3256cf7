"""Slots as the two halves of a partition, each a ROMFS image that runs where it lies.

A custom build maps the partition into memory, so that bytecode and constants stay in flash and the
heap holds only what changes. A half is its list, in a block of its own, and the image after it:

    0      slot.json's lines (slotfile.py) with the image as the one entry "romfs"
    4096   the ROMFS image, to the end of the half

VfsRom checks nothing, so an image is hashed before it is mounted. The half that runs is never
written: strings and bytecode of the application point into it.
"""

import io
from binascii import hexlify
from hashlib import sha256

from . import slotfile

BLOCK = 4096
ENTRY = "romfs"
# The list: three lines of at most 320 bytes each.
_LIST = 1024
_PAGE = 256


class Halves:
    """The two slots of a partition.

    device: the partition in MicroPython's block protocol, 4096-byte blocks. view: memoryview of all
    of it, where it is mapped. Methods that write may raise OSError.

    capacity: bytes that an image may have.
    """

    def __init__(self, device, view):
        self._device = device
        self._view = view
        self._half = device.ioctl(4, 0) // 2 * BLOCK
        self._running = -1
        self.capacity = self._half - BLOCK
        if self.capacity < BLOCK or len(view) < 2 * self._half:
            raise ValueError("a partition of %d bytes has no room for two slots" % len(view))

    def enter(self, slot: int) -> str:
        """Mount a checked slot, which is not written any more; what to import from."""
        import vfs

        size = self._entry(slot)[1]
        at = slot * self._half + BLOCK
        path = "/half%d" % slot
        # The stubs are older than VfsRom.
        vfs.mount(vfs.VfsRom(self._view[at : at + size]), path)  # pyright: ignore
        self._running = slot
        return path

    def head(self, slot: int):
        """The first line of the list, None for an empty slot; ValueError when it is not whole."""
        at = slot * self._half
        if self._view[at] == 0xFF:
            return None
        return slotfile.read_head(self._list(slot))

    def image(self, slot: int):
        """The ROMFS image of a whole slot as a memoryview (read only), None for any other.

        Base of a delta: contiguous, and free of heap.
        """
        try:
            size = self._entry(slot)[1]
        except ValueError:
            return None
        at = slot * self._half + BLOCK
        return self._view[at : at + size]

    def begin(self, slot: int, head: bytes, size: int, sha: bytes):
        """A writer of an image of `size` bytes with SHA-256 `sha` to an empty slot."""
        if slot == self._running:
            raise ValueError("slot %d is running" % slot)
        if size > self.capacity:
            raise ValueError("an image of %d bytes, at most %d fit" % (size, self.capacity))
        entry = slotfile.entry(ENTRY, size, hexlify(sha).decode())
        lines = head + entry + slotfile.tail(sha256(head + entry).digest())
        return _Writer(self, slot, size, sha, lines)

    def remove(self, slot: int) -> None:
        """Erase the list of a slot, if there is one, which makes the slot an empty one."""
        if slot == self._running:
            raise ValueError("slot %d is running" % slot)
        at = slot * self._half
        for offset in range(0, BLOCK, _PAGE):
            if bytes(self._view[at + offset : at + offset + _PAGE]) != b"\xff" * _PAGE:
                self.erase(at)
                return

    def checking(self, slot: int, draft: bool = False):
        """Check the image of an installed slot piece by piece; as `Folders.checking`."""
        wrong = ""
        if self._view[slot * self._half] == 0xFF:
            yield "it is empty"
            return
        try:
            _, size, sha = self._entry(slot)
            digest = sha256()
            at = slot * self._half + BLOCK
            for offset in range(0, size, BLOCK):
                digest.update(self._view[at + offset : at + min(size, offset + BLOCK)])
                yield None
            if hexlify(digest.digest()).decode() != sha:
                wrong = "its image is not as it was written"
        except ValueError as error:
            wrong = "its list: %s" % error
        except Exception as error:  # noqa: BLE001 - whatever rot makes, the other slot is next
            wrong = "checking it failed (%r)" % error
        yield wrong

    def erase(self, at: int) -> None:
        """Erase the block at byte `at` of the partition."""
        if self._device.ioctl(6, at // BLOCK):
            raise OSError("block %d cannot be erased" % (at // BLOCK))

    def program(self, at: int, data) -> None:
        """Program `data` at byte `at`, inside one block, and read it back."""
        if self._device.writeblocks(at // BLOCK, data, at % BLOCK):
            raise OSError("block %d cannot be programmed" % (at // BLOCK))
        if bytes(self._view[at : at + len(data)]) != bytes(data):
            raise OSError("block %d did not keep what was programmed" % (at // BLOCK))

    def _list(self, slot: int):
        at = slot * self._half
        return io.BytesIO(bytes(self._view[at : at + _LIST]))

    def _entry(self, slot: int):
        """(name, bytes, SHA-256 as hex) of the slot's image; ValueError when the list is rotten."""
        lines = self._list(slot)
        slotfile.read_head(lines)
        entry = slotfile.read_entry(lines)
        if entry is None or entry[0] != ENTRY or not 0 < entry[1] <= self.capacity:
            raise ValueError("it does not have the expected form")
        return entry


class _Writer:
    """Writes an image front to back, a block erased when its first byte comes."""

    def __init__(self, halves, slot, size, sha, lines):
        self._halves = halves
        self._start = slot * halves._half
        self._size = size
        self._sha = sha
        self._lines = lines
        self._page = bytearray(_PAGE)
        self._filled = 0
        self._at = 0

    def write(self, data) -> None:
        """The next bytes. OSError: the flash did not take them; ValueError: they are too many."""
        done = 0
        while done < len(data):
            count = min(_PAGE - self._filled, len(data) - done)
            self._page[self._filled : self._filled + count] = data[done : done + count]
            self._filled += count
            done += count
            if self._filled == _PAGE:
                self._flush()

    def check(self):
        """After the last byte: read it all back, piece by piece, as `Halves.checking` does."""
        self._flush()
        wrong = "it has %d bytes, not %d" % (self._at, self._size)
        if self._at == self._size:
            digest = sha256()
            at = self._start + BLOCK
            for offset in range(0, self._size, BLOCK):
                end = at + min(self._size, offset + BLOCK)
                digest.update(self._halves._view[at + offset : end])
                yield None
            wrong = "" if digest.digest() == self._sha else "the image is not as it was sent"
        yield wrong

    def install(self) -> None:
        """Write the list, which makes the slot one that can be started."""
        for offset in range(0, len(self._lines), _PAGE):
            self._halves.program(self._start + offset, self._lines[offset : offset + _PAGE])

    def _flush(self):
        if not self._filled:
            return
        if self._at + self._filled > self._size:
            raise ValueError("more than the %d bytes it was said to have" % self._size)
        at = self._start + BLOCK + self._at
        if at % BLOCK == 0:
            self._halves.erase(at)
        self._halves.program(at, memoryview(self._page)[: self._filled])
        self._at += self._filled
        self._filled = 0

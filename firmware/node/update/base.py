"""The running release as the byte stream that a delta is made against: its ROMFS image.

`Base` readers have `size`, `readinto(offset, view)`, which fills all of `view`, and `close()`.
Where the image runs in place it lies there as it is. Where it was unpacked to a folder it is put
together again: the files in the order in which they came, and between them the headers of ROMFS
(extmod/vfs_rom.c), of which some two kilobytes are held. Nothing is taken on trust: whoever applies
a delta first compares the SHA-256 of the whole stream.
"""

import json
from array import array

from . import refusal
from .refusal import Refused

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HEADER = b"\xd2\xcd\x31"
_VERBATIM = 2
_DIRECTORY = 4
_FILE = 5

_MAX_FILES = 180
_MAX_LINE = 320
_MAX_SIZE = 1 << 20


def running(boot):
    """The reader of the release that runs. Raises Refused when it cannot be read, OSError."""
    slots = boot.slots_store
    if slots.capacity:
        image = slots.image(boot.slot)
        if image is None:
            raise Refused(refusal.DELTA_BASE, "the running slot cannot be read")
        return RegionBase(image)
    return FolderBase(slots.folder(boot.slot))


class RegionBase:
    """A base that lies in one piece. view: memoryview of the ROMFS image."""

    def __init__(self, view):
        self._view = view
        self.size = len(view)

    def readinto(self, offset: int, view) -> None:
        """Fill `view`, a memoryview, from byte `offset` on; the caller stays within `size`."""
        view[:] = self._view[offset : offset + len(view)]

    def close(self) -> None:
        """There is nothing to close."""


class FolderBase:
    """A base whose files were unpacked to `folder`, listed in its slot.json.

    Raises Refused for a list that no release of ours makes, OSError from the flash.
    """

    def __init__(self, folder: str):
        self._folder = folder
        self._file: Any = None
        self._open = -1
        self._last = 0
        self._list = open(folder + "/slot.json", "rb")
        try:
            self._lay_out(*self._measure())
        except (ValueError, TypeError, IndexError, KeyError) as error:
            self._list.close()
            raise Refused(refusal.DELTA_BASE, "the running slot's list: %r" % error) from None

    def readinto(self, offset: int, view) -> None:
        """Fill `view`, a memoryview, from byte `offset` on; the caller stays within `size`."""
        done = 0
        while done < len(view):
            done += self._piece(offset + done, view[done:])

    def close(self) -> None:
        """Close the files."""
        self._list.close()
        if self._file is not None:
            self._file.close()

    def _measure(self) -> tuple:
        """({folder: bytes inside its record}, number of files, bytes of their contents)."""
        inside = {"": 0}
        count = contents = 0
        self._list.readline(_MAX_LINE)
        entry = self._entry()
        while entry is not None:
            name, size = entry
            parent, own = _split(name)
            folder = parent
            while folder not in inside:
                inside[folder] = 0
                folder = _split(folder)[0]
            inside[parent] += len(_file_head(own, size)) + size
            count += 1
            contents += size
            if count > _MAX_FILES or contents > _MAX_SIZE:
                raise ValueError("it is too long")
            entry = self._entry()
        # The deepest first, so that each is whole when it is added to what holds it.
        for folder in sorted(inside, key=_depth, reverse=True):
            if folder:
                parent, own = _split(folder)
                inside[parent] += len(_folder_head(own, inside[folder])) + inside[folder]
        return inside, count, contents

    def _lay_out(self, inside: dict, count: int, contents: int) -> None:
        """Keep the headers, and where each file begins in them, in the stream and in the list."""
        start = _number(inside[""])
        if (len(_HEADER) + len(start) + inside[""]) % 2:
            start = b"\x80" + start
        start = _HEADER + start
        self.size = len(start) + inside[""]
        self._heads = memoryview(bytearray(self.size - contents))
        self._line = array("I", bytes(4 * count))
        # Per file: where its contents begin in the stream, and where its headers end in `_heads`.
        self._begin = array("I", bytes(4 * (count + 1)))
        self._end = array("H", bytes(2 * (count + 1)))
        used = self._keep(0, start)
        at = used
        folder = ""
        self._list.seek(0)
        self._list.readline(_MAX_LINE)
        for index in range(count):
            self._line[index] = self._list.tell()
            entry = self._entry()
            if entry is None:
                raise ValueError("it changed")
            name, size = entry
            parent, own = _split(name)
            before = used
            while parent != folder and not parent.startswith(folder + "/") and folder:
                folder = _split(folder)[0]
            while folder != parent:
                slash = parent.find("/", len(folder) + 1)
                folder = parent if slash < 0 else parent[:slash]
                used = self._keep(used, _folder_head(_split(folder)[1], inside[folder]))
            used = self._keep(used, _file_head(own, size))
            at += used - before
            self._begin[index] = at
            self._end[index] = used
            at += size
        # A sentinel: what follows the last file is nothing.
        self._begin[count] = at
        self._end[count] = used
        if at != self.size or used != len(self._heads):
            raise ValueError("its files are not in the order of an image")

    def _keep(self, at: int, head: bytes) -> int:
        if at + len(head) > len(self._heads):
            raise ValueError("its files are not in the order of an image")
        self._heads[at : at + len(head)] = head
        return at + len(head)

    def _entry(self):
        """(name, size) of the next file in the list, None after the last."""
        line = self._list.readline(_MAX_LINE)
        if not line.startswith(b"["):
            return None
        name, size, _ = json.loads(line)
        if not isinstance(name, str) or not isinstance(size, int) or size < 0:
            raise ValueError("it does not have the expected form")
        return name, size

    def _piece(self, offset: int, view) -> int:
        """Fill the beginning of `view`, as far as one file or its headers go; bytes filled."""
        begin = self._begin
        index = self._last
        # Reads go mostly forward, so the file is the one of the last read or the next.
        while index and offset < begin[index] - self._headers(index):
            index -= 1
        while offset >= begin[index + 1] - self._headers(index + 1):
            index += 1
            if index >= len(self._line):
                raise OSError(5)
        self._last = index
        left = begin[index] - offset
        if left > 0:
            at = self._end[index] - left
            count = min(left, len(view))
            view[:count] = self._heads[at : at + count]
            return count
        count = min(begin[index + 1] - self._headers(index + 1) - offset, len(view))
        if self._open != index:
            self._switch(index)
        self._file.seek(-left)
        count = self._file.readinto(view[:count])
        if not count:
            raise OSError(5)
        return count

    def _headers(self, index: int) -> int:
        """Bytes of headers before the contents of a file, 0 behind the last."""
        if not index:
            return self._end[0]
        return self._end[index] - self._end[index - 1]

    def _switch(self, index: int) -> None:
        if self._file is not None:
            self._open = -1
            self._file.close()
            self._file = None
        self._list.seek(self._line[index])
        entry = self._entry()
        if entry is None:
            raise OSError(5)
        self._file = open("%s/%s" % (self._folder, entry[0]), "rb")
        self._open = index


def _split(path: str) -> tuple:
    """(folder, own name); the folder of what stands at the top is ""."""
    at = path.rfind("/")
    return (path[:at], path[at + 1 :]) if at >= 0 else ("", path)


def _depth(folder: str) -> int:
    return folder.count("/") + 1 if folder else 0


def _number(value: int) -> bytes:
    digits = bytes((value & 0x7F,))
    value >>= 7
    while value:
        digits = bytes((0x80 | value & 0x7F,)) + digits
        value >>= 7
    return digits


def _record(kind: int, size: int) -> bytes:
    return bytes((kind,)) + _number(size)


def _file_head(own: str, size: int) -> bytes:
    inner = _number(len(own)) + own.encode() + _record(_VERBATIM, size)
    return _record(_FILE, len(inner) + size) + inner


def _folder_head(own: str, inside: int) -> bytes:
    inner = _number(len(own)) + own.encode()
    return _record(_DIRECTORY, len(inner) + inside) + inner

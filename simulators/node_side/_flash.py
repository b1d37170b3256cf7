"""The flash: a file with the habits of NOR flash. Erasing sets every bit, programming clears some.

Environment: LAMPLIGHTER_SIM_FLASH, LAMPLIGHTER_SIM_ROMFS (the files of the partitions "vfs" and
"romfs", whole blocks of 4096 bytes; the second is not on every chip) and, for tests of power
cuts, LAMPLIGHTER_SIM_CUT = ``count:how``: the chip dies at the count-th write from its start (0 is
the first), ``clean`` before it, ``torn`` with its first half done.
"""

import os

import _street
from micropython import const

_BLOCK = const(4096)
_ERASED = b"\xff" * 256  # a piece: the heap is the node's


class _Cut:
    """Counts writes (erase, program, NVS commit) down to the power cut, if there is one."""

    def __init__(self, wanted):
        count, _, how = wanted.partition(":")
        self.left = int(count) if count else -1
        self.torn = how == "torn"

    def due(self):
        """True when the power goes at this write."""
        if self.left < 0:
            return False
        self.left -= 1
        return self.left < 0


cut = _Cut(os.getenv("LAMPLIGHTER_SIM_CUT") or "")


_FILES = {"vfs": "LAMPLIGHTER_SIM_FLASH", "romfs": "LAMPLIGHTER_SIM_ROMFS"}
_SUBTYPES = {"vfs": 0x81, "romfs": 0x8F}


class Partition:
    """A data partition of the chip, in the block protocol of MicroPython."""

    TYPE_APP = 0
    TYPE_DATA = 1
    BOOT = 0
    RUNNING = 1

    def __init__(self, id="vfs", block_size=_BLOCK):
        if id not in _FILES:
            raise OSError(2)
        if block_size != _BLOCK:
            raise ValueError("expected blocks of 4096 bytes, got %s" % block_size)
        path = os.getenv(_FILES[id]) or ""
        self._label = id
        self._size = os.stat(path)[6]
        if not self._size or self._size % _BLOCK:
            raise ValueError(
                "expected whole blocks of 4096 bytes in the flash file, got %d bytes" % self._size
            )
        self._file = open(path, "r+b")

    @classmethod
    def find(cls, type=TYPE_APP, subtype=0xFF, label=None, block_size=_BLOCK):
        found = []
        for name in ("vfs", "romfs"):
            if (
                type == cls.TYPE_DATA
                and subtype in (0xFF, _SUBTYPES[name])
                and label in (None, name)
                and _is_there(os.getenv(_FILES[name]) or "")
            ):
                found.append(cls(name, block_size))
        return found

    def info(self):
        at = 0x200000 if self._label == "vfs" else 0x1F0000
        return (self.TYPE_DATA, _SUBTYPES[self._label], at, self._size, self._label, False)

    def readblocks(self, block_num, buf, offset=0):
        self._file.seek(self._checked(block_num * _BLOCK + offset, len(buf)))
        self._file.readinto(buf)

    def writeblocks(self, block_num, buf, offset=None):
        if offset is None:  # the simple protocol: whole blocks, erased first
            for at in range(block_num, block_num + len(buf) // _BLOCK):
                self._erase(at)
            offset = 0
        self._program(self._checked(block_num * _BLOCK + offset, len(buf)), buf)

    def ioctl(self, op, arg):
        if op == 4:
            return self._size // _BLOCK
        if op == 5:
            return _BLOCK
        if op == 6:
            self._erase(arg)
        return 0

    def _checked(self, at, length):
        if at < 0 or at + length > self._size:
            raise OSError(5)
        return at

    def _erase(self, block):
        at = self._checked(block * _BLOCK, _BLOCK)
        last = cut.due()
        self._file.seek(at)
        if not last or cut.torn:
            for _ in range(_BLOCK // len(_ERASED) // (2 if last else 1)):
                self._file.write(_ERASED)
        if last:
            _street.lose_power()

    def _program(self, at, data):
        last = cut.due()
        if last:
            data = data[: len(data) // 2] if cut.torn else b""
        size = len(data)
        self._file.seek(at)
        before = self._file.read(size)
        if before.count(b"\xff") != size:  # a bit once cleared stays so until it is erased
            both = int.from_bytes(before, "little") & int.from_bytes(data, "little")
            data = both.to_bytes(size, "little")
        self._file.seek(at)
        self._file.write(data)
        if last:
            _street.lose_power()


def _is_there(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False

"""A flash in memory for the real littlefs, which can lose its power at any write."""

import vfs

BLOCK = 4096
# As a driver in C does: an exception would leave littlefs in the middle of what it does.
_EIO = -5


class Cut(BaseException):
    """The power is gone: no handler of the node's sees that."""


class Blocks:
    """Erased to 1s, programmed to 0s, like the part itself.

    left: writes (erasures and programs) until the power goes, below 0 for never. torn: the write
    that meets the cut is done by half. failing: True while the part refuses every write. dead: True
    once another life has begun: the garbage collector may still close files of this one.
    """

    def __init__(self, count, data=None):
        self.count = count
        self.data = bytearray(data) if data is not None else bytearray(b"\xff" * (BLOCK * count))
        self.left = -1
        self.torn = False
        self.failing = False
        self.dead = False
        self.programmed = 0
        self.erased = 0

    def readblocks(self, number, buffer, offset=0):
        if self.dead:
            return _EIO
        at = number * BLOCK + offset
        buffer[:] = self.data[at : at + len(buffer)]
        return 0

    def writeblocks(self, number, buffer, offset=None):
        if offset is None:
            if self.ioctl(6, number):
                return _EIO
            offset = 0
        if self.failing or self.dead:
            return _EIO
        at = number * BLOCK + offset
        cut = self._cut()
        size = len(buffer)
        if cut:
            size = size // 2 if self.torn else 0
        for index in range(size):
            self.data[at + index] &= buffer[index]
        if cut:
            raise Cut()
        self.programmed += size
        return 0

    def ioctl(self, operation, argument):
        if operation == 4:
            return self.count
        if operation == 5:
            return BLOCK
        if operation == 6:
            if self.failing or self.dead:
                return _EIO
            at = argument * BLOCK
            cut = self._cut()
            if cut and not self.torn:
                raise Cut()
            size = BLOCK // 2 if cut else BLOCK
            self.data[at : at + size] = b"\xff" * size
            self.erased += 1
            if cut:
                raise Cut()
            return 0
        return None

    def _cut(self):
        if self.left == 0:
            return True
        if self.left > 0:
            self.left -= 1
        return False


def format_and_mount(blocks, where):
    vfs.VfsLfs2.mkfs(blocks)
    vfs.mount(vfs.VfsLfs2(blocks), where)


def remount(blocks, where):
    """As after a power cut: what was in memory is gone, the flash is as it was left."""
    blocks.left = -1
    vfs.umount(where)
    blocks.dead = True
    fresh = Blocks(blocks.count, blocks.data)
    vfs.mount(vfs.VfsLfs2(fresh), where)
    return fresh


class FakeClock:
    def __init__(self, time=1_800_000_000):
        self.time = time

    def stamp(self):
        self.time += 1
        return self.time


class FakeNvs:
    """NVS of the ESP32: a missing key raises."""

    def __init__(self):
        self.values = {}

    def get_i32(self, key):
        if key not in self.values:
            raise OSError(-4354)
        return self.values[key]

    def set_i32(self, key, value):
        self.values[key] = value

    def get_blob(self, key, buffer):
        if key not in self.values:
            raise OSError(-4354)
        value = self.values[key]
        buffer[: len(value)] = value
        return len(value)

    def set_blob(self, key, value):
        self.values[key] = bytes(value)

    def commit(self):
        pass

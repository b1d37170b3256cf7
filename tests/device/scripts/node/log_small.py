"""400 records, collected and acknowledged, in a heap of 64 KiB.

argv: the file that is the flash, so that only the log is in the heap.
"""

import gc
import sys

import vfs

from node.log import NodeLog
from protocol import records

BLOCK = 4096
COUNT = 48
PATH = sys.argv[1]


class FileBlocks:
    """A block device in a file, so that only the log is in the heap."""

    def __init__(self):
        self._file = open(PATH, "w+b")
        for _ in range(COUNT):
            self._file.write(b"\xff" * BLOCK)

    def readblocks(self, number, buffer, offset=0):
        self._file.seek(number * BLOCK + offset)
        self._file.readinto(buffer)

    def writeblocks(self, number, buffer, offset=0):
        self._file.seek(number * BLOCK + offset)
        self._file.write(buffer)

    def ioctl(self, operation, argument):
        if operation == 4:
            return COUNT
        return BLOCK if operation == 5 else 0


class Clock:
    def stamp(self):
        return 1_800_000_000


blocks = FileBlocks()
vfs.VfsLfs2.mkfs(blocks)
vfs.mount(vfs.VfsLfs2(blocks), "/f")
log = NodeLog("/f/log", Clock())
for number in range(400):
    assert log.append(records.ENERGY, 900, number, 2301, 567, 1234), log.last_failure
gc.collect()
held = gc.mem_alloc()
position = (0, 0)
read = 0
while True:
    epoch, first, bodies, waiting = log.read(position[0], position[1], 1024)
    if not bodies:
        break
    read += len(bodies)
    position = (epoch, first + len(bodies))
    assert log.acknowledge(epoch, position[1] - 1)
assert read == 400
assert log.failures == 0
print("records", read, "heap in use", held)

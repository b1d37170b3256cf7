"""The whole application by delta in the heap of a small node, and the most of it that is taken.

Arguments: folder, bytes and SHA-256 of the base's ROMFS, of the result's, offset of the patch in
the delta's file. The base is unpacked to a folder of the machine this runs on, listed as a node
lists its slot.
"""

import asyncio
import gc
import os
import sys
import time
from binascii import unhexlify
from hashlib import sha256

import deflate

from firmware.node.update import romfs
from firmware.node.update.base import FolderBase
from firmware.node.update.delta import Patched, check_base

given, base_size, base_sha, size, sha, offset = sys.argv[1:7]
folder = given + "/base-%d" % (8 if sys.maxsize > 1 << 32 else 4)


def make(path):
    try:
        os.mkdir(path)
    except OSError:
        pass  # it is there


class Files:
    """What a slot's folder is to `romfs.unpack`."""

    def __init__(self):
        make(folder)
        self.list = open(folder + "/slot.json", "wb")
        self.list.write(b"{}\n")

    def open(self, name, size):
        at = name.find("/")
        while at >= 0:
            make(folder + "/" + name[:at])
            at = name.find("/", at + 1)
        self.file = open(folder + "/" + name, "wb")
        self.list.write(b'["%s", %d, ""]\n' % (name.encode(), size))

    def write(self, view):
        self.file.write(view)

    def close(self):
        self.file.close()


def main():
    files = Files()
    with open(given + "/application-base.romfs", "rb") as file:
        asyncio.run(romfs.unpack(file, int(base_size), unhexlify(base_sha), files))
    files.list.write(b"{}\n")
    files.list.close()
    del files
    with open(given + "/application-delta.img", "rb") as file:
        file.seek(int(offset))
        gc.collect()
        before = gc.mem_alloc()
        began = time.ticks_us()
        reader = FolderBase(folder)
        asyncio.run(check_base(reader, int(base_size), unhexlify(base_sha)))
        made = Patched(deflate.DeflateIO(file, deflate.RAW, 10), reader, int(size))
        view = memoryview(bytearray(512))
        digest = sha256()
        peak = got = 0
        count = made.readinto(view)
        while count:
            digest.update(view[:count])
            got += count
            if got % 8192 < count:
                gc.collect()
                peak = max(peak, gc.mem_alloc() - before)
            count = made.readinto(view)
        took = time.ticks_diff(time.ticks_us(), began)
    print("> same", digest.digest() == unhexlify(sha) and got == int(size))
    print("> heap", peak)
    print("> ms", took // 1000)


main()

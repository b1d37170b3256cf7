"""The whole application, uploaded, verified and unpacked in the heap of a small node.

The flash is a file, so that only the node's own memory counts.
"""

import asyncio
import gc
import sys

import bootstage.store
import vfs
from bootstage.boot import Boot
from bootstage.folders import Folders

from firmware.node import identity
from firmware.node.update.manager import UpdateManager


def tell(*what):
    print(">", *what)


class FileFlash:
    def __init__(self, path):
        self.file = open(path, "r+b")

    def readblocks(self, block, buf, off=0):
        self.file.seek(block * 4096 + off)
        self.file.readinto(buf)

    def writeblocks(self, block, buf, off=0):
        self.file.seek(block * 4096 + off)
        self.file.write(buf)

    def ioctl(self, op, arg):
        return {4: 512, 5: 4096}.get(op, 0)


async def upload(manager, file):
    """Send the file in chunks; (last answer, turns that another task had meanwhile)."""
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    file.seek(0, 2)
    length = file.tell()
    off = 0
    answer = None
    while off < length:
        file.seek(off)
        body = {"off": off, "data": file.read(1024)}
        if off == 0:
            body["len"] = length
        answer = await manager.upload(body)
        assert "err" not in answer, (answer, manager.reason)
        off = answer["off"]
    task.cancel()
    return answer, turns


def main(folder):
    with open(folder + "/application.img", "rb") as file:
        vfs.mount(vfs.VfsLfs2(FileFlash(folder + "/node.bin")), "/flash")
        boot = Boot(bootstage.store.load_state(), 0, False, 1, bootstage.store.Nvs(), "", Folders())
        manager = UpdateManager(boot, identity.load("/flash"))
        answer, turns = asyncio.run(upload(manager, file))
        tell("match", answer["match"])
        # The lamp and all other tasks had their turns while the last chunk was worked on.
        tell("others ran", turns > 300)
        del manager
        gc.collect()
        tell("problem", repr(boot.problem(1)))
        # What runs now is imported from the slot, not from the folders this script came from.
        sys.path[:] = [boot.slots_store.folder(1)]
        for name in [name for name in sys.modules if name.startswith("protocol")]:
            del sys.modules[name]
        from node import version

        tell("version", version.TEXT)
        # A few: all of it beside what this script has imported is more than the heap holds.
        for name in ("smp", "image"):
            __import__("protocol." + name)
            gc.collect()
        tell("protocol from", sys.modules["protocol"].__file__)


main(sys.argv[1])

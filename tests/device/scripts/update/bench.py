"""A lamppost on the bench: flash in RAM that can lose its power at any write, and its boots.

Imported by the scripts of the update tests, which run under the real MicroPython with the folder
`shim` (chip, NVS, time) and a folder that holds `bootstage` alone on their path.
"""

import asyncio
import os
import sys
from hashlib import sha256

import bootstage
import bootstage.boot
import esp32
import machine
import vfs

from firmware.node import identity
from firmware.node.update.manager import UpdateManager

BLOCK = 4096
ERASED = b"\xff" * BLOCK
# In a journal, where the values of NVS are written.
NVS = -1


class PowerCut(BaseException):
    """The power is gone: nothing of the program runs on."""


class Flash:
    """NOR flash in RAM. `left` writes from now (-1: never) the power goes, `torn` halfway through.

    journal: None, or a list that is given each write that was done: (byte, what was written there).
    Once `dead` it answers with an error and without allocating: the garbage collector may still
    close files of a node that has lost its power.
    """

    def __init__(self, data):
        self.data = data
        self.writes = 0
        self.left = -1
        self.torn = False
        self.dead = False
        self.journal = None

    def readblocks(self, block, buf, off=0):
        if self.dead:
            return -5
        at = block * BLOCK + off
        buf[:] = memoryview(self.data)[at : at + len(buf)]
        return 0

    def writeblocks(self, block, buf, off=None):
        if self.dead:
            return -5
        if off is None:
            self.ioctl(6, block)
            off = 0
        self.program(self.data, block * BLOCK + off, buf)
        return 0

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // BLOCK
        if op == 5:
            return BLOCK
        if op != 6:
            return 0
        if self.dead:
            return -5
        self.erase(self.data, arg * BLOCK)
        return 0

    def program(self, data, at, buf, journaled=0):
        """Clear bits of `data` at byte `at`; the power may go. journaled: added to `at` there."""
        cut = self.due()
        size = len(buf)
        if cut:
            size = size // 2 if self.torn else 0
        what = bytes(buf[:size])
        before = bytes(data[at : at + size])
        if before != ERASED[:size]:  # a bit once cleared stays so until its block is erased
            both = int.from_bytes(before, "little") & int.from_bytes(what, "little")
            what = both.to_bytes(size, "little")
        data[at : at + size] = what
        if cut:
            raise PowerCut
        if self.journal is not None:
            self.journal.append((journaled + at, what))

    def erase(self, data, at, journaled=0):
        """Set all bits of the block of `data` at byte `at`; as `program`."""
        cut = self.due()
        size = BLOCK
        if cut:
            size = BLOCK // 2 if self.torn else 0
        data[at : at + size] = ERASED[:size]
        if cut:
            raise PowerCut
        if self.journal is not None:
            self.journal.append((journaled + at, ERASED))

    def due(self):
        """Count one write; True when the power goes at it."""
        self.writes += 1
        if self.left < 0:
            return self.dead
        self.left -= 1
        self.dead = self.left < 0
        return self.dead


def tell(*what):
    """Print a line for the test, which takes no other for the script's."""
    print(">", *what)


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Lamppost:
    """One node: its flash, and what its boots said.

    rom_data: of the partition whose halves are its slots, None for slots that are folders.
    """

    def __init__(self, flash_data, rom_data=None):
        self.flash = Flash(bytearray(flash_data))
        self.rom = None
        if rom_data is not None:
            from rom import Rom  # costs what a bench with a small heap has no room for

            self.rom = Rom(self.flash, bytearray(rom_data))
        esp32.kept.clear()
        esp32.on_write = self._nvs_write
        self.lamp = False
        self.started = None  # (version, Boot) of the last start
        self.held = False
        self.bitten = False
        self.behave = None  # what the application does: called with (version, boot)
        # A flash as small as the bench's has little room for a log.
        self.log_limit = 4 * BLOCK
        self.power_cycle()

    def _nvs_write(self):
        if self.flash.due():
            raise PowerCut
        if self.flash.journal is not None:
            self.flash.journal.append((NVS, dict(esp32._drafts)))

    def power_cycle(self, cause=machine.PWRON_RESET):
        """Everything but flash and NVS is gone; the power is back."""
        for path in ("/flash", "/half0", "/half1"):
            try:
                vfs.umount(path)
            except OSError:
                pass  # it was not mounted
        for name in list(sys.modules):
            if name == "node" or name.startswith("node."):
                del sys.modules[name]
        while sys.path and sys.path[0].startswith(("/flash", "/half")):
            sys.path.pop(0)
        before = self.flash
        self.flash = Flash(before.data)
        self.flash.journal = before.journal
        if not before.dead:  # the cut that was asked for is still to come
            self.flash.left = before.left
            self.flash.torn = before.torn
        before.dead = True
        if self.rom is not None:
            self.rom.flash = self.flash
        esp32.power_cycle()
        self.lamp = False
        self.started = None
        self.held = False
        self.bitten = False
        machine.cause = cause
        machine.feeds = 0
        machine.bites_at = None

    def boot(self):
        """Start; returns when the application has started and left, or the boot stage holds."""

        def board_on():
            self.lamp = True

        rom = None if self.rom is None else (self.rom, self.rom.view)
        try:
            bootstage.start(self.flash, board_on, self, rom)
        except machine.Held:
            self.held = True
        except machine.Bitten:
            self.bitten = True
        except (Left, machine.Reset):
            pass
        if self.flash.dead:  # what came after the cut did not happen
            raise PowerCut

    def application(self, version, boot):
        """Called by the application in the slot."""
        self.started = (version, boot)
        if self.behave is not None:
            self.behave(version, boot)
        raise Left

    def manager(self):
        """An update manager on the last start's Boot."""
        boot = self.started[1]
        return UpdateManager(boot, identity.load(boot.root), log_limit=self.log_limit)


class Left(BaseException):
    """The application was started and the test goes on."""


async def send(manager, image, chunk=1024, start=0, sha=True):
    """Upload `image` as a client does; returns the last answer."""
    off = start
    while True:
        body = {"off": off, "data": image[off : off + chunk]}
        if off == 0:
            body["len"] = len(image)
            if sha:
                body["sha"] = sha256(image).digest()
        answer = await manager.upload(body)
        if "off" not in answer or answer["off"] >= len(image):
            return answer
        assert answer["off"] != off, (off, answer)
        off = answer["off"]


def run(coroutine):
    return asyncio.run(coroutine)


def tree(folder):
    """Path to contents of all files under a folder."""
    found = {}
    for entry in os.ilistdir(folder):
        path = folder + "/" + entry[0]
        if entry[1] == 0x4000:
            found.update(tree(path))
        else:
            found[path] = read(path)
    return found

"""What saving the counters costs the flash; prints bytes programmed, erasures and saves.

They are in the root folder, whose metadata has to be written anew with each block that is erased:
its other files and folders are there, as on a lamppost.
"""

import os
import sys

sys.path.append(sys.argv[1])  # of the flash model

from blocks import Blocks, FakeNvs, format_and_mount
from rig import Clock, Settings

from firmware.node.lamp.counters import Counters


class Lamp:
    wanted = 100
    switch_ons = 0


class Log:
    def append(self, kind, *values):
        pass


SAVES = 2000
FILES = {
    "adverts": 12,
    "boot.json": 110,
    "configuration.cbor": 700,
    "counters.cbor": 60,
    "crash.txt": 600,
    "energy0": 24,
    "energy1": 24,
    "identity.cbor": 120,
    "network.cbor": 60,
    "resets": 40,
    "update.json": 100,
}
blocks = Blocks(32)
format_and_mount(blocks, "/f")
for name, size in FILES.items():
    with open("/f/" + name, "wb") as file:
        file.write(b"x" * size)
for name in ("log", "slot0", "slot1"):
    os.mkdir("/f/" + name)
clock = Clock(0)
counters = Counters(Lamp(), clock, Log(), Settings({}), "/f/burn", FakeNvs())
counters.step(0)
programmed, erased = blocks.programmed, blocks.erased
for index in range(SAVES):
    clock.move(300)
    counters.step(5000 * (index + 1))
assert counters.minutes == 5 * SAVES, counters.minutes
assert counters.failures == 0
print(blocks.programmed - programmed, blocks.erased - erased, SAVES)

"""What saving the counters costs the flash; prints bytes programmed, erasures and saves."""

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
blocks = Blocks(32)
format_and_mount(blocks, "/f")
with open("/f/neighbour", "wb") as file:
    file.write(b"x" * 60)
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

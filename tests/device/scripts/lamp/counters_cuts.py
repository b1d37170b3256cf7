"""The power goes at every write of the counters, and again while they recover.

argv: folder of the flash model, "clean" or "torn". What was durable when the power went is there
afterwards, and never more than was counted. Prints how many cuts there were.
"""

import sys

sys.path.append(sys.argv[1])

import vfs
from blocks import Blocks, Cut, format_and_mount, remount
from rig import Clock, Settings

from firmware.node.lamp.counters import Counters

TORN = sys.argv[2] == "torn"


class Lamp:
    wanted = 100
    switch_ons = 1


class Log:
    def append(self, kind, *values):
        pass


def made(clock):
    return Counters(Lamp(), clock, Log(), Settings({}), "/f/burnt")


def life(durable, counted):
    """Nights of burning; `durable` is what the last completed save held."""
    clock = Clock(0)
    counters = made(clock)
    ticks = 0
    for _ in range(24):
        clock.move(300)
        ticks += 6000
        failures = counters.failures
        counters.step(ticks)
        counted[0] = counters.minutes
        assert counters.failures == failures
        durable[0] = counters.minutes


def prepared():
    blocks = Blocks(16)
    format_and_mount(blocks, "/f")
    durable, counted = [0], [0]
    life(durable, counted)
    vfs.umount("/f")
    return blocks.data, durable[0]


def attempt(base, least, left, again):
    """Cut after `left` writes, then, if not None, after `again` more; how many cuts there were."""
    blocks = Blocks(16, base)
    vfs.mount(vfs.VfsLfs2(blocks), "/f")
    durable, counted = [least], [least]
    cuts = 0
    for limit in (left,) if again is None else (left, again):
        blocks.left = limit
        blocks.torn = TORN
        try:
            life(durable, counted)
            blocks.left = -1
        except Cut:
            cuts += 1
        blocks = remount(blocks, "/f")
        found = made(Clock(0))
        assert durable[0] <= found.minutes <= counted[0] + 5, (durable, found.minutes, counted)
        durable[0] = found.minutes
    vfs.umount("/f")
    return cuts


base, least = prepared()
points = 0
left = 0
while attempt(base, least, left, None):
    points += 1
    left += 1
for first in range(0, left, 3):
    for second in range(0, 8, 2):
        points += attempt(base, least, first, second)
print("cut points", points)

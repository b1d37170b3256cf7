"""A month of the lamp in a small heap; prints the bytes in use after two nights and at its end."""

import gc
import time

from rig import NIGHT, Rig, lines


def nights(rig, count):
    for _ in range(count * 144):
        rig.clock.move(600)
        rig.ticks = time.ticks_add(rig.ticks, 100)
        rig.lamp.step(rig.ticks)
        lines.clear()
        rig.changes.clear()
    gc.collect()
    return gc.mem_alloc()


PROGRAM = [[1, 0, 100], [0, 1380, 40], [3, 30, 90], [0, 300, 80], [4, -15, 60], [2, 10, 0]]
rig = Rig(NIGHT, {"site/dst": 1, "lamp/fade_ms": 50, "lamp/program": PROGRAM})
print(nights(rig, 2))
print(nights(rig, 28))

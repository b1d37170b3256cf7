"""The tasks that watch the node itself: its memory and its flash, and how long safe mode lasts."""

import asyncio
import gc
import os
import sys

import vfs
from blocks import Blocks, FakeNvs, format_and_mount

import node.memory
import node.safemode
from node.log import NodeLog
from node.memory import MemoryWatch, idf_heap, largest_block
from node.safemode import SafeMode
from protocol import records

node.memory._PACE_MS = node.safemode._PACE_MS = 1


class Clock:
    now = 0

    def uptime(self):
        return self.now

    def stamp(self):
        return 1_800_000_000


class Crumb:
    ticks = []

    def tick(self, uptime):
        self.ticks.append(uptime)


class Checks:
    count = 0

    def __call__(self):
        self.count += 1


def told(log, kind):
    found = []
    position = (0, 0)
    while True:
        epoch, first, bodies, _ = log.read(position[0], position[1], 1000)
        if not bodies:
            return found
        found += [values for of, _, values in map(records.decode, bodies) if of == kind]
        position = (epoch, first + len(bodies))


async def until(condition):
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep_ms(1)
    raise AssertionError("it does not come to that")


async def turns(count):
    for _ in range(count):
        await asyncio.sleep_ms(1)


async def test_the_largest_block_is_found_and_others_have_their_turns():
    gc.collect()
    free = gc.mem_free()
    checks = Checks()
    assert 65_000 < await largest_block(free, checks) <= 65_536, "more is not asked for"
    assert checks.count >= 8
    hoard = []
    try:
        while True:
            hoard.append(bytearray(9000))
    except MemoryError:
        hoard[len(hoard) // 2] = None
    gc.collect()
    found = await largest_block(gc.mem_free(), checks)
    # What was no room for another may lie beside it.
    assert 8_700 < found < 18_200, found


async def test_the_idf_heap_is_all_its_regions():
    class Esp32:
        HEAP_DATA = 4

        @staticmethod
        def idf_heap_info(kind):
            assert kind == 4
            return [(90_000, 40_000, 30_000, 20_000), (50_000, 30_000, 29_000, 1_000)]

    had = sys.modules.pop("esp32", None)
    assert idf_heap() == (0, 0, 0)
    sys.modules["esp32"] = Esp32
    try:
        assert idf_heap() == (70_000, 30_000, 21_000)
    finally:
        del sys.modules["esp32"]
        if had is not None:
            sys.modules["esp32"] = had


async def test_memory_is_told_each_hour_and_a_flash_that_runs_full_once_each_time():
    blocks = Blocks(40)
    format_and_mount(blocks, "/f")
    clock = Clock()
    log = NodeLog("/f/log", clock, FakeNvs())
    task = asyncio.create_task(MemoryWatch("/f", clock, log, Crumb()).run(Checks()))
    await until(lambda: told(log, records.MEMORY))
    free, largest, _, _, _, flash = told(log, records.MEMORY)[0]
    assert 0 < largest <= free
    assert 30 * 4096 < flash < 40 * 4096
    clock.now = 3599
    await turns(20)
    assert len(told(log, records.MEMORY)) == 1
    assert Crumb.ticks[-1] == 3599

    def full():
        return [values[1] for values in told(log, records.EVENT)]

    for hour, files, events in ((1, 1, 0), (2, 9, 1), (3, 9, 1), (4, 4, 1), (5, 9, 2)):
        names = [name for name in os.listdir("/f") if name.startswith("bulk")]
        for name in names:
            os.remove("/f/" + name)
        for index in range(files):
            with open("/f/bulk%d" % index, "wb") as file:
                for _ in range(3):
                    file.write(bytes(4000))
        clock.now = 3600 * hour
        await until(lambda hour=hour: len(told(log, records.MEMORY)) == hour + 1)
        await turns(5)
        assert len(full()) == events, (hour, full())
    assert all(0 <= left < 8 * 4096 for left in full())
    task.cancel()
    vfs.umount("/f")


async def test_safe_mode_tries_the_whole_application_after_six_hours():
    class Boot:
        left = 0
        failing = True

        def leave_safe(self):
            if self.failing:
                raise OSError(28)
            self.left += 1

    clock = Clock()
    boot = Boot()
    resets = []
    checks = Checks()
    clock.now = 100
    task = asyncio.create_task(SafeMode(boot, clock, resets.append).run(checks))
    await until(lambda: checks.count > 3)
    clock.now += 6 * 3600 - 1
    await turns(20)
    assert not boot.left
    # A flash that does not take it: safe mode goes on, and it is tried again as long after.
    clock.now += 1
    await turns(20)
    assert not resets
    boot.failing = False
    await turns(20)
    assert not resets
    clock.now += 6 * 3600
    await until(lambda: resets)
    assert (boot.left, resets) == (1, [0])
    task.cancel()


async def main():
    count = 0
    for name, value in sorted(globals().items(), key=lambda item: item[0]):
        if name.startswith("test_"):
            await value()
            count += 1
    print("passed", count)


asyncio.run(main())

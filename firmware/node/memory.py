"""The node's memory watched: MEMORY records, a warning when flash runs full, the breadcrumb."""

import asyncio
import gc
import os

from protocol import records

_PACE_MS = 5000
# Street time between two records.
_PERIOD_S = 3600
# Free flash is told to run out below this, and to be there again above twice that: blocks.
_FEW_BLOCKS = 8
# Larger blocks than this nothing on a node asks for; the search ends here.
_LARGEST = 64 * 1024
_GRAIN = 256


class MemoryWatch:
    """root: where flash is mounted. crumb: the breadcrumb of this life, or None."""

    def __init__(self, root, clock, log, crumb):
        self._root = root
        self._clock = clock
        self._log = log
        self._crumb = crumb
        self._due = clock.uptime()
        self._full = False

    async def run(self, check_in):
        """Tell the breadcrumb how long this life lasts, and write when the period is over."""
        while True:
            check_in()
            uptime = self._clock.uptime()
            if self._crumb is not None:
                self._crumb.tick(uptime)
            if uptime >= self._due:
                self._due = uptime + _PERIOD_S
                await self._record(check_in)
            await asyncio.sleep_ms(_PACE_MS)

    async def _record(self, check_in):
        gc.collect()
        free = gc.mem_free()
        largest = await largest_block(free, check_in)
        idf = idf_heap()
        flash = self._flash_free()
        self._log.append(records.MEMORY, free, largest, idf[0], idf[1], idf[2], flash)

    def _flash_free(self):
        """Bytes free on flash; tells when they are few."""
        try:
            stat = os.statvfs(self._root)
        except OSError:
            return 0  # the log says what is wrong with it
        # MicroPython counts each folder twice, and below nothing when there is not much left.
        blocks = stat[3] if 0 <= stat[3] <= stat[2] else 0
        if blocks < _FEW_BLOCKS and not self._full:
            self._full = True
            self._log.append(records.EVENT, records.EVENT_FLASH_FULL, blocks * stat[0])
        elif blocks > 2 * _FEW_BLOCKS:
            self._full = False
        return blocks * stat[0]


async def largest_block(free, check_in):
    """Bytes of the largest block the heap has, by trying; 64 KiB when it has more.

    Each try that fails is a garbage collection, so others have their turn between two.
    """
    low = 0
    high = min(free, _LARGEST)
    while high - low > _GRAIN:
        size = (low + high + 1) // 2
        if _fits(size):
            low = size
        else:
            high = size
        check_in()
        await asyncio.sleep_ms(0)
    return low


def _fits(size):
    # In a frame of its own: a task's outlives the step, and with it what it held.
    try:
        bytearray(size)
        return True
    except MemoryError:
        return False


def idf_heap():
    """(free, largest block, least free ever) of ESP-IDF's own heap, bytes; zeros without one."""
    try:
        import esp32

        regions = esp32.idf_heap_info(esp32.HEAP_DATA)
    except (ImportError, AttributeError):
        return 0, 0, 0
    free = 0
    largest = 0
    low = 0
    for region in regions:
        free += region[1]
        largest = max(largest, region[2])
        low += region[3]
    return free, largest, low

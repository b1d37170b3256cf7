"""Sensirion SPS30 particulate sensor on I2C, 7-bit address 0x69, at most 100 kHz.

From its data sheet (version 1.0, March 2020): start 0x0010 with the format (0x0300: big-endian
IEEE 754 floats), data ready 0x0202, read 0x0300: ten floats of two words each, PM1, PM2.5, PM4 and
PM10 in ug/m3, then counts and the typical size, which are not used here.
"""

import struct

from .part import BEYOND, NOTHING, SAMPLE
from .sensirion import SensirionPart

_START = 0x0010
_FLOATS = 0x0300
_SIZE = 60
_HIGHEST = 1000.0  # ug/m3


def tenths(block, index) -> int:
    """Float `index` of a measurement in tenths, or -1 for what is no amount: NaN, below 0, vast."""
    at = 6 * index
    value = struct.unpack(">f", bytes((block[at], block[at + 1], block[at + 3], block[at + 4])))[0]
    return int(value * 10 + 0.5) if 0 <= value <= 6000 else -1


class Sps30(SensirionPart):
    """The sensor on `i2c`. It draws 0.3 W and is made for ten years of running.

    values: [PM1, PM2.5, PM10, PM2.5] in 0.1 ug/m3: it knows no CF = 1.
    """

    READ = 0x0300

    def __init__(self, i2c):
        super().__init__(i2c, _SIZE)
        self.values = [0, 0, 0, 0]

    async def start(self):
        """Begin measuring; the first sample comes a second later."""
        await self._begin(_START, _FLOATS)

    async def poll(self):
        """NOTHING, SAMPLE or BEYOND. Raises OSError."""
        if not await self.fresh():
            return NOTHING
        return SAMPLE if self._take() else BEYOND

    def _take(self) -> bool:
        values = self.values
        values[0] = tenths(self._block, 0)
        values[1] = values[3] = tenths(self._block, 1)
        values[2] = tenths(self._block, 3)
        return min(values) >= 0 and max(values) <= 10 * _HIGHEST

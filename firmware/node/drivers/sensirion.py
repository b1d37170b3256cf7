"""How Sensirion's parts talk on I2C: 16-bit commands, and words that each have a CRC-8.

A command is two bytes, big endian, and words; what is read are words. Behind each word stands the
CRC-8 of its two bytes: polynomial 0x31, from 0xFF, nothing reflected (0xBEEF gives 0x92).
"""

import asyncio

from .part import Part

ADDRESS = 0x69
_EIO = 5

_STOP = 0x0104
_READY = 0x0202
_STATUS = 0xD206
_RESET = 0xD304
_STATUS_EVERY = 30  # polls; a fault of the fan does not come and go

# Bits of the status register that say the part is broken: gas, humidity, laser, fan.
_FAULTS = 0x000000F0
_SPEED = 1 << 21  # the fan turns too fast or too slow
_CLEANING = 1 << 19  # the fan blows the dust out: what is measured meanwhile is not the air


def crc8(data, start, end) -> int:
    """CRC-8 of data[start:end]."""
    crc = 0xFF
    for at in range(start, end):
        crc ^= data[at]
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc


class SensirionPart(Part):
    """A particulate sensor on `i2c`, which has `writeto` and `readfrom_into`.

    size: bytes of its measurement, CRCs included. `junk` counts bytes with a wrong CRC.
    """

    POLL_MS = 1000
    SLOWEST_MS = 2500
    # It cleans its fan for 10 s once a week and has no samples in that time.
    SILENT_MS = 20000
    READ = 0  # the command that gives a measurement

    def __init__(self, i2c, size):
        self._i2c = i2c
        self._block = bytearray(size)
        self._short = memoryview(self._block)[:6]
        self._word = memoryview(self._block)[:3]
        self._polls = 0
        self._cleaning = False
        self.mark = 0
        self.junk = 0
        self.fault = False

    async def fresh(self) -> bool:
        """Whether the block holds a new measurement, read by command `self.READ`.

        Raises OSError when nobody answers or a CRC is wrong.
        """
        await self._read(_READY, self._word)
        if not self._block[1] & 1:
            return False
        self._polls += 1
        if self._polls % _STATUS_EVERY == 1:
            await self._look()
        await self._read(self.READ, self._block)
        self.mark = sum(self._block)
        return not self._cleaning

    async def rest(self):
        """Stop fan and laser."""
        await self._command(_STOP, 200)

    async def reset(self):
        """Start the part anew, as at power-up."""
        await self._command(_RESET, 100)

    async def _begin(self, command, argument=None):
        """Stop what runs and begin measuring: a part that measures refuses to begin again."""
        self._polls = 0
        self._cleaning = self.fault = False
        await self._command(_STOP, 200)
        await self._command(command, 50, argument)

    async def _look(self):
        """Read the status register."""
        await self._read(_STATUS, self._short)
        high = self._block[0] << 8 | self._block[1]
        self.fault = bool(self._block[4] & _FAULTS or high & (_SPEED >> 16))
        self._cleaning = bool(high & (_CLEANING >> 16))

    async def _command(self, command, busy_ms, argument=None):
        body = bytes((command >> 8, command & 0xFF))
        if argument is not None:
            word = bytes((argument >> 8, argument & 0xFF))
            body += word + bytes((crc8(word, 0, 2),))
        self._i2c.writeto(ADDRESS, body)
        await asyncio.sleep_ms(busy_ms)

    async def _read(self, command, into):
        """Read words into `into`, CRCs and all. Raises OSError when one of them is wrong."""
        await self._command(command, 20)
        self._i2c.readfrom_into(ADDRESS, into)
        for at in range(0, len(into), 3):
            if crc8(into, at, at + 2) != into[at + 2]:
                self.junk += len(into)
                raise OSError(_EIO)

"""Nova SDS011 particulate sensor on a UART, 9600 baud 8N1.

From its data sheet V1.3 and the laser dust sensor control protocol V1.3: a measurement each second
is AA C0, PM2.5 and PM10 u16 little endian in 0.1 ug/m3, two bytes of id, the sum of the six bytes
before it, AB. A command is AA B4, its number, 12 bytes of data, the device (FF FF for any), the sum
of all between AA B4 and itself, AB; the answer is AA C5 with the measurement's layout. It gives no
PM1.
"""

import asyncio

from .frames import Frames
from .part import UartPart

_HEAD = 0xAA
_TAIL = 0xAB
_MEASUREMENT = 0xC0
_ANSWER = 0xC5
_SIZE = 10
_HIGHEST = 9999  # 0.1 ug/m3

_REPORTING = 2
_SLEEPING = 6
_PERIOD = 8
WAKE = _SLEEPING, 1
SLEEP = _SLEEPING, 0
ACTIVE = _REPORTING, 0
CONTINUOUS = _PERIOD, 0
_BETWEEN_MS = 100


def command(number, argument):
    """The 19 bytes that set `number` to `argument`, of whichever sensor hears them."""
    body = bytes((number, 1, argument)) + bytes(10) + b"\xff\xff"
    return b"\xaa\xb4" + body + bytes((sum(body) & 0xFF, _TAIL))


def _fits(held):
    """Whether the bytes held can become a frame, or are one: see `Frames`."""
    size = len(held)
    if size == 1:
        return held[0] == _HEAD
    if size == 2:
        return held[1] == _MEASUREMENT or held[1] == _ANSWER
    return size < _SIZE or (sum(held[2:8]) & 0xFF == held[8] and held[9] == _TAIL)


class Parser:
    """Finds frames in whatever bytes come. Holds at most one; never raises, never waits.

    values: [0, PM2.5, PM10, PM2.5] in 0.1 ug/m3 of the newest measurement; no PM1. mark: both of
    them in one number. beyond: out of the sensor's range.
    """

    def __init__(self):
        self._frames = Frames(_SIZE, _fits)
        self.values = [0, 0, 0, 0]
        self.mark = 0
        self.beyond = False

    @property
    def skipped(self):
        """Bytes that belong to no frame."""
        return self._frames.skipped

    def feed(self, data) -> int:
        """1 when the bytes of `data` complete a measurement, the newest frame being one; else 0."""
        frame = self._frames.feed(data)
        if frame is None or frame[1] != _MEASUREMENT:
            return 0
        pm25 = frame[2] | frame[3] << 8
        pm10 = frame[4] | frame[5] << 8
        values = self.values
        values[1] = values[3] = pm25
        values[2] = pm10
        self.mark = (pm25 & 0x7FFF) << 14 ^ pm10
        self.beyond = pm25 > _HIGHEST or pm10 > _HIGHEST
        return 1

    def clear(self):
        """Forget a frame that has begun: after silence the next byte begins another."""
        self._frames.clear()


class Sds011(UartPart):
    """The sensor on `uart`. Its laser lasts 8000 h of running: a year without rest."""

    MEASURES_PM1 = False

    def __init__(self, uart):
        super().__init__(uart, Parser())
        self._set_up = False

    async def start(self):
        """Wake it and have it send by itself each second."""
        self.parser.clear()
        # Asleep it loses the command that wakes it, now and then: the second one counts.
        await self._set(WAKE)
        await self._set(WAKE)
        if not self._set_up:
            # It writes these to its own memory, which a wake after each rest would wear.
            await self._set(ACTIVE)
            await self._set(CONTINUOUS)
            self._set_up = True

    async def rest(self):
        """Stop fan and laser; it is silent from then on."""
        self._uart.write(command(*SLEEP))

    async def reset(self):
        """Off for a moment, which is all the restart it has; then it is set up anew."""
        self._set_up = False
        await self.rest()
        await asyncio.sleep_ms(5 * _BETWEEN_MS)

    async def _set(self, setting):
        self._uart.write(command(*setting))
        await asyncio.sleep_ms(_BETWEEN_MS)

"""Plantower PMS5003 and PMS3003 particulate sensors on a UART, 9600 baud 8N1.

Frame, from the PMS5003 series data manual: 42 4D, length u16, data u16 words, sum u16, all big
endian. The length counts data and sum: 28 for a PMS5003, 20 for a PMS3003, 4 for the answer to a
command. The sum is that of all bytes before it. Words 0..2 are PM1, PM2.5 and PM10 for standard
particles (CF = 1), words 3..5 those "under atmospheric environment", in ug/m3. The latter are meant
for outdoor air; EPA's correction is for the former.

It sends about every second, and every 2.3 s when the air hardly changes.
"""

import asyncio
import struct

from .part import UartPart

_START = b"\x42\x4d"
_LENGTHS = (28, 20)
_ANSWER = 4
_MAX_FRAME = 32
_BETWEEN_MS = 60  # between two commands; the manual asks for 50
# The manual gives "1000 ug/m3 and more" as the maximum range.
_HIGHEST = 1000

WAKE = 0xE4, 1
SLEEP = 0xE4, 0
ACTIVE = 0xE1, 1
PASSIVE = 0xE1, 0
READ = 0xE2, 0


def command(code, argument):
    """The 7 bytes of a command: start, code, argument u16, sum u16."""
    body = _START + bytes((code, argument >> 8, argument & 0xFF))
    return body + struct.pack(">H", sum(body))


class Parser:
    """Finds frames in whatever bytes come. Holds at most one; never raises, never waits.

    values: [PM1, PM2.5, PM10, PM2.5 at CF = 1] in 0.1 ug/m3 of the newest measurement. mark: its
    sum, which the particle counts of a PMS5003 keep changing. beyond: out of the sensor's range.
    Counters: `accepted` measurements, `answers` to commands, `rejected_sum` frames whose sum is
    wrong, `skipped` bytes that belong to no frame.
    """

    def __init__(self):
        self._held = bytearray(_MAX_FRAME)
        self._size = 0
        self.values = [0, 0, 0, 0]
        self.mark = 0
        self.beyond = False
        self.accepted = 0
        self.answers = 0
        self.rejected_sum = 0
        self.skipped = 0

    def feed(self, data) -> int:
        """How many measurements the bytes of `data` complete; `values` are the newest one's."""
        before = self.accepted
        for byte in data:
            self._held[self._size] = byte
            self._size += 1
            self._settle()
        return self.accepted - before

    def clear(self):
        """Forget a frame that has begun: after silence the next byte begins another."""
        self.skipped += self._size
        self._size = 0

    def _settle(self):
        """Take the frame that is whole, drop bytes that begin none."""
        while self._size:
            length = self._length()
            if length > self._size:
                return
            if length and self._sum(length) == self._word(length - 2):
                self._take(length)
                self._drop(length)
                continue
            if length:
                # Its start may have been chance: a true frame may begin inside it.
                self.rejected_sum += 1
            at = 1
            while at < self._size and self._held[at] != _START[0]:
                at += 1
            self.skipped += at
            self._drop(at)

    def _length(self):
        """Bytes of the frame that begins in what is held, as far as that tells; 0 for none."""
        held = self._held
        size = self._size
        if held[0] != _START[0] or (size > 1 and held[1] != _START[1]) or (size > 2 and held[2]):
            return 0
        if size < 4:
            return _MAX_FRAME
        return 4 + held[3] if held[3] in _LENGTHS or held[3] == _ANSWER else 0

    def _drop(self, count):
        held = self._held
        self._size -= count
        for at in range(self._size):
            held[at] = held[at + count]

    def _sum(self, length):
        total = 0
        for at in range(length - 2):
            total += self._held[at]
        return total

    def _take(self, length):
        """A sound frame."""
        if self._held[3] == _ANSWER:
            self.answers += 1
            return
        self.accepted += 1
        values = self.values
        for index in range(3):
            values[index] = self._word(10 + 2 * index) * 10
        values[3] = self._word(6) * 10
        self.beyond = max(values) > _HIGHEST * 10
        self.mark = self._word(length - 2)

    def _word(self, at):
        return self._held[at] << 8 | self._held[at + 1]


class Pms5003(UartPart):
    """The sensor on `uart`. Fan and laser draw 0.5 W and last about three years of running."""

    SLOWEST_MS = 2500

    def __init__(self, uart):
        super().__init__(uart, Parser())

    async def start(self):
        """Start fan and laser and have it send by itself. Settled 30 s later."""
        self.parser.clear()
        self._uart.write(command(*WAKE))
        await asyncio.sleep_ms(_BETWEEN_MS)
        self._uart.write(command(*ACTIVE))

    async def rest(self):
        """Stop fan and laser; it is silent from then on."""
        self._uart.write(command(*SLEEP))

    async def reset(self):
        """Off for a moment: its reset pin is not wired, but sleep stops all it does."""
        await self.rest()
        await asyncio.sleep_ms(10 * _BETWEEN_MS)

"""Plantower PMS5003 (and PMS3003) particulate sensor on a UART, 9600 baud 8N1.

Frame, from the PMS5003 series data manual: 42 4D, length u16, data u16 words, sum u16, all big
endian. The length counts data and sum: 28 for a PMS5003, 20 for a PMS3003, 4 for the answer to a
command. The sum is that of all bytes before it. Words 0..2 are PM1, PM2.5 and PM10 for standard
particles (CF = 1), words 3..5 those "under atmospheric environment", in ug/m3; the latter are meant
for outdoor air and are what this module gives.
"""

import struct

_START = b"\x42\x4d"
_LENGTHS = (28, 20)
_ANSWER = 4
_MAX_FRAME = 32

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
    """Finds frames in whatever bytes come. Holds at most one frame; never raises, never waits.

    Counters: `accepted` measurements, `answers` to commands, `rejected_sum` frames whose sum or
    length is wrong, `skipped` bytes that belong to no frame.
    """

    def __init__(self):
        self._held = bytearray()
        self.accepted = 0
        self.answers = 0
        self.rejected_sum = 0
        self.skipped = 0

    def feed(self, data):
        """[(pm1, pm25, pm10), ...] in ug/m3 of the frames that `data` completes."""
        found = []
        held = self._held
        for byte in data:
            held.append(byte)
            while held and not self._plausible():
                self._resync()
            if len(held) >= 4 and len(held) == 4 + held[3]:
                self._take(bytes(held), found)
        return found

    def clear(self):
        """Forget a frame that has begun: after silence the next byte begins another."""
        self.skipped += len(self._held)
        self._held = bytearray()

    def _plausible(self):
        """Whether what is held can still become a frame."""
        held = self._held
        size = len(held)
        if held[0] != _START[0] or (size > 1 and held[1] != _START[1]):
            return False
        if size > 2 and held[2]:
            return False
        return size < 4 or held[3] in _LENGTHS or held[3] == _ANSWER

    def _resync(self):
        """Drop bytes up to the next one that may begin a frame."""
        held = self._held
        at = 1
        while at < len(held) and held[at] != _START[0]:
            at += 1
        self.skipped += at
        self._held[:] = held[at:]

    def _take(self, frame, found):
        """A whole frame: into `found` if it is a sound measurement."""
        if sum(frame[:-2]) != (frame[-2] << 8 | frame[-1]):
            self.rejected_sum += 1
            # Its start may have been chance: a true frame may begin inside it.
            self._resync()
            rest = bytes(self._held)
            self._held[:] = b""
            found.extend(self.feed(rest))
            return
        self._held[:] = b""
        if frame[3] == _ANSWER:
            self.answers += 1
            return
        self.accepted += 1
        found.append(struct.unpack(">HHH", frame[10:16]))


class Pms5003:
    """The sensor on a UART: `uart` has `any()`, `read(n)` and `write(data)` that do not wait."""

    def __init__(self, uart):
        self._uart = uart
        self.parser = Parser()

    def wake(self):
        """Start fan and laser and have it send by itself. Settled 30 s later.

        Two commands want at least 50 ms between them, so `active` is a call of its own.
        """
        self._uart.write(command(*WAKE))

    def active(self):
        """Have it send a frame by itself about every second."""
        self._uart.write(command(*ACTIVE))

    def sleep(self):
        """Stop fan and laser: they last about three years of running."""
        self._uart.write(command(*SLEEP))

    def poll(self):
        """[(pm1, pm25, pm10), ...] in ug/m3 from the bytes that have come; [] for none yet."""
        data = self._uart.read(8 * _MAX_FRAME) if self._uart.any() else None
        return self.parser.feed(data) if data else []

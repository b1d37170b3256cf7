"""How Sensirion's sensors SPS30 and SEN5x behave on I2C, address 0x69.

A write is a command of two bytes and words, each word with its CRC-8; what a command gives is read
in words with theirs. A command that does not fit the mode is not acknowledged, nor is a read of
nothing.
"""

import struct
from random import Random

from simulators.parts.surroundings import Air, Clock, NoAcknowledge, Surroundings

_STOP = 0x0104
_READY = 0x0202
_CLEAN = 0x5607
_STATUS = 0xD206
_CLEAR_STATUS = 0xD210
_RESET = 0xD304

_SETTLE_S = 20.0
_CLEANING_S = 10.0


def crc8(data: bytes) -> int:
    """CRC-8 with polynomial 0x31 from 0xFF."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc


def words(data: bytes) -> bytes:
    """``data``, an even number of bytes, with a CRC behind each word."""
    pairs = [data[at : at + 2] for at in range(0, len(data), 2)]
    return b"".join(pair + bytes((crc8(pair),)) for pair in pairs)


class SensirionPart:
    """The sensor, idle from power-up. A derived class has the commands that begin to measure.

    Args:
        surroundings: the air it draws in.
        machine: machine seconds.
        random: its noise; None for a sensor without any.

    Attributes:
        status: its status register, of bits that the data sheet names.
    """

    address = 0x69
    _MEASURED: int

    def __init__(
        self, surroundings: Surroundings, machine: Clock, random: Random | None = None
    ) -> None:
        self._surroundings = surroundings
        self._machine = machine
        self._random = random
        self._chance = Random("babble")
        self.absent = False
        self.babbling = False
        self.lying: Air | None = None
        self.frozen = False
        self.status = 0
        self.brown_out()

    def brown_out(self) -> None:
        """Its supply dipped: idle, as at power-up."""
        self._mode = 0  # the command that it measures by
        self._reply = b""
        self._taken = 0  # measurements that were read
        self._started = 0.0
        self._cleaned = -_CLEANING_S
        self._last = b""
        self.frozen = False

    @property
    def fan(self) -> bool:
        """Whether fan and laser run."""
        return bool(self._mode)

    def write(self, data: bytes) -> None:
        """Take a command.

        Raises:
            NoAcknowledge: it is absent, the command is none, or does not fit the mode.
        """
        self._present()
        if len(data) < 2:
            return
        (command,) = struct.unpack(">H", data[:2])
        arguments = data[2:]
        bare = b"".join(arguments[at : at + 2] for at in range(0, len(arguments), 3))
        if len(arguments) % 3 or arguments != words(bare):
            raise NoAcknowledge(f"wrong CRC in the arguments of {command:#06x}")
        self._reply = b""
        self._obey(command, arguments[:2])

    def read(self, n: int) -> bytes:
        """What the last command gives.

        Raises:
            NoAcknowledge: it is absent, or the command gives nothing.
        """
        self._present()
        if not n:
            return b""
        if not self._reply:
            raise NoAcknowledge("nothing to read")
        if self.babbling:
            return self._chance.randbytes(n)
        return self._reply[:n].ljust(n, b"\xff")

    def starts(self, command: int, arguments: bytes) -> bool:
        """Whether the command begins to measure."""
        raise NotImplementedError

    def measurement(self, air: Air) -> bytes:
        """What it measures, in words without CRC."""
        raise NotImplementedError

    def _obey(self, command: int, arguments: bytes) -> None:
        now = self._machine()
        if command == _STOP:
            self._mode = 0
        elif command == _RESET:
            self.brown_out()
        elif command == _CLEAN and self._mode:
            self._cleaned = now
        elif command in (_STATUS, _CLEAR_STATUS):
            self._reply = words(struct.pack(">I", self.status))
        elif command == _READY and self._mode:
            self._reply = words(struct.pack(">H", int(self._samples(now) > self._taken)))
        elif command == self._MEASURED and self._mode:
            self._taken = self._samples(now)
            self._reply = words(self._measured(now))
        elif not self._mode and self.starts(command, arguments):
            self._mode = command
            self._started = now
            self._taken = 0
        else:
            raise NoAcknowledge(f"command {command:#06x} in mode {self._mode:#06x}")

    def _samples(self, now: float) -> int:
        """Measurements since it began; none are made while the fan is cleaned."""
        until = self._cleaned if now < self._cleaned + _CLEANING_S else now
        return max(0, int(until - self._started))

    def _measured(self, now: float) -> bytes:
        if not (self.frozen and self._last):
            settled = min(1.0, max(0.0, (now - self._started) / _SETTLE_S))
            air = Air(*(self._noisy(value, 0.02) * settled for value in self._surroundings.air()))
            self._last = self.measurement(self.lying or air)
        return self._last

    def _noisy(self, value: float, share: float) -> float:
        if self._random is None:
            return max(0.0, value)
        return max(0.0, self._random.gauss(value, share * value))

    def _present(self) -> None:
        if self.absent:
            raise NoAcknowledge(f"no part at I2C address {self.address:#04x}")

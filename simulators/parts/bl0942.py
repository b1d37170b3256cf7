"""Belling BL0942: the energy meter in front of the lamp.

Its packet and conversions are those of the data sheet V1.06 with the reference circuit: 1 mohm
shunt, divider of five 390 kohm and 0.51 kohm, Vref 1.218 V.
"""

import math
from random import Random

from simulators.parts.luminaire import Luminaire
from simulators.parts.surroundings import Clock, Surroundings

_VREF = 1.218
_DIVIDER_MV = 1000 * 0.51 / (5 * 390 + 0.51)  # mV at the pin per V of mains
VOLTAGE_COUNTS = 73989 * _DIVIDER_MV / _VREF  # V_RMS counts per V
CURRENT_COUNTS = 305978 / _VREF  # I_RMS counts per A through 1 mohm
POWER_COUNTS = 3537 * _DIVIDER_MV / _VREF**2  # WATT counts per W
WATT_SECONDS = 1638.4 * 256 / POWER_COUNTS  # energy of one CF_CNT count

_COUNTER = 1 << 24
_PACKET = 0xAA
_WRITE_SIZE = 6  # command, register, three bytes of data, sum
_DEAD_VOLTS = 60.0  # its supply gives out below


class Bl0942:
    """The meter. Energy adds up in street time.

    Args:
        surroundings: the mains.
        luminaire: what it measures.
        machine: machine seconds.
        street: street seconds; only differences matter.
        random: noise of its readings; None for none.
        address: 0..3, as strapped.
        count: CF_CNT to begin with; it is 0 after a brown-out.

    Attributes:
        absent: a broken wire.
        babbling: it replies with bytes of no meaning.
        frozen: it replies the same for ever.
        lying: the volts it says there are, whatever the mains has; None for the truth.
    """

    baud = 4800

    def __init__(
        self,
        surroundings: Surroundings,
        luminaire: Luminaire,
        machine: Clock,
        street: Clock,
        random: Random | None = None,
        address: int = 0,
        count: int = 0,
    ) -> None:
        self._surroundings = surroundings
        self._luminaire = luminaire
        self._machine = machine
        self._street = street
        self._random = random
        self._address = address
        self._energy = count * WATT_SECONDS
        self._integrated = street()
        self._command = bytearray()
        self._reply = b""
        self._reply_at = math.inf
        self._chance = Random("babble")
        self._last = b""
        self.absent = False
        self.babbling = False
        self.frozen = False
        self.lying: float | None = None

    def brown_out(self) -> None:
        """Its supply dipped: the energy counter starts from 0."""
        self._energy = 0.0
        self._integrated = self._street()
        self._command.clear()
        self._reply, self._reply_at = b"", math.inf
        self.frozen = False

    def integrate(self) -> None:
        """Add up the energy since the last call at the power of now.

        It does so at every reading; a world that changes the lamp between readings calls it just
        before, to be exact.
        """
        now = self._street()
        if self._dead():
            self._energy = 0.0
        else:
            self._energy += max(0.0, now - self._integrated) * self._power()
        self._integrated = now

    @property
    def count(self) -> int:
        """CF_CNT now, 0..2^24-1."""
        self.integrate()
        return int(self._energy / WATT_SECONDS) % _COUNTER

    def receive(self, data: bytes) -> None:
        """Take command bytes: a request for the packet is answered, a register write is taken."""
        if self.absent or self._dead():
            self._command.clear()
            return
        for byte in data:
            self._command.append(byte)
            head = self._command[0]
            if head == 0xA8 | self._address:
                if len(self._command) == _WRITE_SIZE:
                    self._command.clear()
            elif head != 0x58 | self._address:
                self._command.clear()
            elif len(self._command) == 2:
                if byte == _PACKET:
                    line = (2 + 23) * 10 / self.baud
                    self._reply, self._reply_at = self._answer(), self._machine() + line
                self._command.clear()

    def pending(self, now: float) -> bytes:
        """The reply, once its bytes have passed the line."""
        if now < self._reply_at:
            return b""
        reply, self._reply, self._reply_at = self._reply, b"", math.inf
        return b"" if self.absent else reply

    def due(self) -> float:
        """Machine second at which a reply will have come."""
        return self._reply_at

    def _dead(self) -> bool:
        return self._surroundings.mains_voltage() < _DEAD_VOLTS

    def _power(self) -> float:
        return self._luminaire.power_watts(self._surroundings.mains_voltage())

    def _answer(self) -> bytes:
        if self.babbling:
            return self._chance.randbytes(23)
        if not (self.frozen and self._last):
            self._last = self._packet()
        return self._last

    def _packet(self) -> bytes:
        volts = self._surroundings.mains_voltage()
        watts = self._power()
        amperes = watts / (volts * self._luminaire.power_factor)
        volts = volts if self.lying is None else self.lying
        current = self._counts(amperes * CURRENT_COUNTS)
        fields = (
            current,
            self._counts(volts * VOLTAGE_COUNTS),
            current,
            self._counts(watts * POWER_COUNTS),
            self.count,
        )
        body = b"\x55" + b"".join((field % _COUNTER).to_bytes(3, "little") for field in fields)
        body += (20000).to_bytes(2, "little") + b"\0" + b"\0" + b"\0\0"
        return body + bytes((~((0x58 | self._address) + sum(body)) & 0xFF,))

    def _counts(self, ideal: float) -> int:
        if self._random is None or not ideal:
            return round(ideal)
        return max(0, round(self._random.gauss(ideal, 0.0005 * ideal)))

"""Chipsea CSE7766: an energy meter that sends without a pause what it measures.

Its frame is that of the data sheet with the reference circuit: 1 mohm shunt, divider of 1 Mohm to
1 kohm. The coefficients are those of a chip whose frames were captured.
"""

import math
from random import Random

from simulators.parts.load import Load
from simulators.parts.luminaire import Luminaire
from simulators.parts.surroundings import Clock, Surroundings

VOLTAGE, CURRENT, POWER = 194400, 16400, 5351000
"""Coefficients: us V, us A, us W; the last is also uJ per pulse."""

_FRAME_S = 24 * 11 / 4800
_HELD_FRAMES = 2
_LONGEST_US = 6_400_000.0  # of a period; a longer one is out of range
_U24 = (1 << 24) - 1


class Cse7766:
    """The meter. It hears nothing.

    Args:
        surroundings: the mains.
        luminaire: what it measures.
        machine: machine seconds.
        street: street seconds; only differences matter.
        random: noise of its readings; None for none.
        pulses: its counter to begin with; it is 0 after a brown-out.

    Attributes:
        absent: a broken wire.
        babbling: it sends bytes of no meaning.
        frozen: it sends its last frame for ever.
        lying: the volts it says there are, whatever the mains has; None for the truth.
        calibrated: it was, in its factory.
    """

    baud = 4800

    def __init__(
        self,
        surroundings: Surroundings,
        luminaire: Luminaire,
        machine: Clock,
        street: Clock,
        random: Random | None = None,
        pulses: int = 0,
    ) -> None:
        self._load = Load(surroundings, luminaire, street, random)
        self._chance = random or Random("babble")
        self._offset = pulses
        self._next = machine() + _FRAME_S
        self._last = b""
        self.absent = False
        self.babbling = False
        self.frozen = False
        self.lying: float | None = None
        self.calibrated = True

    def brown_out(self) -> None:
        """Its supply dipped: the pulse counter starts from 0."""
        self._load.restart()
        self._offset = 0
        self.frozen = False

    @property
    def pulses(self) -> int:
        """Its counter now, 0..65535."""
        if self._load.dead:
            self.brown_out()
        return (self._offset + int(self._load.joules * 1e6 / POWER)) % (1 << 16)

    def receive(self, data: bytes) -> None:
        """Its RX is not connected."""

    def pending(self, now: float) -> bytes:
        """The frames whose last byte has passed the line by ``now``."""
        said = b""
        if now - self._next > _HELD_FRAMES * _FRAME_S:
            self._next = now - _HELD_FRAMES * _FRAME_S
        while self._next <= now:
            self._next += _FRAME_S
            said += self._frame()
        return b"" if self.absent or self._load.dead else said

    def due(self) -> float:
        """Machine second at which the next frame will have come."""
        return math.inf if self.absent else self._next

    def _frame(self) -> bytes:
        if self.babbling:
            return self._chance.randbytes(24)
        if not (self.frozen and self._last):
            self._last = self._measured()
        return self._last

    def _measured(self) -> bytes:
        pulses = self.pulses  # first: it notices that there is no mains
        if self._load.dead:
            return b""
        power, amperes = self._load.power(), self._load.amperes()
        periods = (
            VOLTAGE / (self.lying or self._load.volts()),
            CURRENT / amperes if amperes else math.inf,
            POWER / power if power else math.inf,
        )
        state = 0x55 if self.calibrated else 0xAA
        outside = sum(
            bit for bit, period in zip((8, 4, 2), periods, strict=True) if period > _LONGEST_US
        )
        if outside and self.calibrated:
            state = 0xF0 | outside
        body = b""
        for coefficient, period in zip((VOLTAGE, CURRENT, POWER), periods, strict=True):
            body += (coefficient if self.calibrated else 0).to_bytes(3, "big")
            body += min(_U24, round(min(period, _LONGEST_US * 2))).to_bytes(3, "big")
        adjustment = 0x71
        if outside & 2:
            adjustment &= ~0x10
        body += bytes((adjustment,)) + pulses.to_bytes(2, "big")
        return bytes((state, 0x5A)) + body + bytes((sum(body) & 0xFF,))

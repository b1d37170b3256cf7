"""HLW8012 and BL0937: energy meters that give pulses in proportion to what they measure.

Their formulas are those of the data sheets. CF follows the energy of street time, CF1 machine time:
in a street that runs faster than life a node reads the power as many times too high.
"""

from enum import Enum
from random import Random

from simulators.parts.load import Load
from simulators.parts.luminaire import Luminaire
from simulators.parts.surroundings import Clock, Surroundings

_SHUNT = 0.001
_NOISE_HZ = 20_000.0


class PulseModel(Enum):
    """Which chip, with its pulses per J, and Hz per V and per A, on its reference circuit."""

    HLW8012 = "hlw8012"
    BL0937 = "bl0937"

    @property
    def per_joule(self) -> float:
        """Pulses of CF per J."""
        if self is PulseModel.HLW8012:
            return 48 * _SHUNT / 2351 / 2.43**2 * 3_579_000 / 128
        return 1721506 * _SHUNT / 1951 / 1.218**2

    @property
    def per_volt(self) -> float:
        """Hz of CF1 per V."""
        if self is PulseModel.HLW8012:
            return 2 / 2351 / 2.43 * 3_579_000 / 512
        return 15397 / 1951 / 1.218

    @property
    def per_ampere(self) -> float:
        """Hz of CF1 per A."""
        if self is PulseModel.HLW8012:
            return 24 * _SHUNT / 2.43 * 3_579_000 / 512
        return 94638 * _SHUNT / 1.218


class PulseMeter:
    """The meter.

    Args:
        surroundings: the mains.
        luminaire: what it measures.
        machine: machine seconds.
        street: street seconds; only differences matter.
        model: which chip.
        random: noise of its readings; None for none.
        voltage_level: level of SEL at which CF1 is the voltage; boards differ.

    Attributes:
        absent: broken wires.
        babbling: interference: pulses by the thousand on both wires.
        frozen: CF gives no more pulses; CF1 does.
        lying: the volts that CF1 says there are, whatever the mains has; None for the truth.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        luminaire: Luminaire,
        machine: Clock,
        street: Clock,
        model: PulseModel = PulseModel.HLW8012,
        random: Random | None = None,
        voltage_level: int = 1,
    ) -> None:
        self._load = Load(surroundings, luminaire, street, random)
        self._machine = machine
        self._model = model
        self._voltage_level = voltage_level
        self._level = 0
        self._last = machine()
        self._cf1 = 0.0
        self._cf_lost = 0
        self._cf_seen = 0
        self._noise = 0.0
        self.absent = False
        self.babbling = False
        self.frozen = False
        self.lying: float | None = None

    def brown_out(self) -> None:
        """Its supply dipped: the energy on its way to the next pulse is lost."""
        self._cf_lost += int(self._load.joules * self._model.per_joule)
        self._load.restart()
        self.frozen = False

    def select(self, level: int) -> None:
        """The level of SEL."""
        self._pass()
        self._level = level

    def cf(self) -> int:
        """Pulses of CF so far."""
        self._pass()
        count = self._cf_lost + int(self._load.joules * self._model.per_joule)
        if not (self.absent or self.frozen):
            self._cf_seen = count
        return self._cf_seen + int(self._noise)

    def cf1(self) -> int:
        """Pulses of CF1 so far."""
        self._pass()
        return int(self._cf1)

    def _pass(self) -> None:
        now = self._machine()
        span, self._last = now - self._last, now
        if self.babbling:
            self._noise += span * _NOISE_HZ
            self._cf1 += span * _NOISE_HZ
        if self.absent or self._load.dead:
            return
        if self._level == self._voltage_level:
            volts = self._load.volts() if self.lying is None else self.lying
            self._cf1 += span * volts * self._model.per_volt
        else:
            self._cf1 += span * self._load.amperes() * self._model.per_ampere

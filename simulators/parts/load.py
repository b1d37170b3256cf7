"""What a meter in front of the lamp measures: the mains, and the power and energy of the lamp."""

from random import Random

from simulators.parts.luminaire import Luminaire
from simulators.parts.surroundings import Clock, Surroundings

DEAD_VOLTS = 60.0
"""The supply of a meter gives out below this."""


class Load:
    """The load behind a meter. Energy adds up in street time.

    Args:
        surroundings: the mains.
        luminaire: what is measured.
        street: street seconds; only differences matter.
        random: noise of the readings; None for none.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        luminaire: Luminaire,
        street: Clock,
        random: Random | None = None,
    ) -> None:
        self._surroundings = surroundings
        self._luminaire = luminaire
        self._street = street
        self._random = random
        self._joules = 0.0
        self._integrated = street()

    def restart(self) -> None:
        """The meter lost its supply: it counts from nothing."""
        self._joules = 0.0
        self._integrated = self._street()

    @property
    def dead(self) -> bool:
        """There is too little mains for a meter to run."""
        return self._surroundings.mains_voltage() < DEAD_VOLTS

    @property
    def joules(self) -> float:
        """Energy since the meter's start."""
        now = self._street()
        self._joules += max(0.0, now - self._integrated) * self.watts
        self._integrated = now
        return self._joules

    @property
    def watts(self) -> float:
        """Active power, without noise."""
        return self._luminaire.power_watts(self._surroundings.mains_voltage())

    def volts(self) -> float:
        """Mains voltage as it is read."""
        return self._noisy(self._surroundings.mains_voltage())

    def power(self) -> float:
        """Active power in W as it is read."""
        return self._noisy(self.watts)

    def amperes(self) -> float:
        """Current as it is read."""
        volts = self._surroundings.mains_voltage()
        return self._noisy(self.watts / (volts * self._luminaire.power_factor)) if volts else 0.0

    def _noisy(self, ideal: float) -> float:
        if self._random is None or not ideal:
            return ideal
        return max(0.0, self._random.gauss(ideal, 0.0005 * ideal))

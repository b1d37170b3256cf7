"""An SFH 5711 light sensor that looks at the sky, and a little at its own lamp.

Its output is logarithmic (data sheet: 10 uA for each tenfold illuminance, from 1 lx on), and a
resistor makes a voltage of it.
"""

import math
from collections.abc import Callable

_LOAD_OHM = 39_000
_UA_PER_DECADE = 10
_BRIGHTEST_UA = 55  # its output saturates
_SUPPLY_UV = 3_300_000
_OWN_LUX = 8.0
"""What its lamp adds at full light."""


class Photocell:
    """The sensor and its resistor.

    Args:
        daylight: lux that falls on it.
        lamp: dimming level of its own lamp now, in percent.

    Attributes:
        covered: a bag over it, as an installer who tries it at noon has.
        shorted: its wire lies on the supply, beyond what the sensor can give.
        absent: a broken wire: no current flows, which is what it says in the dark.
    """

    def __init__(self, daylight: Callable[[], float], lamp: Callable[[], float]) -> None:
        self._daylight = daylight
        self._lamp = lamp
        self.covered = False
        self.shorted = False
        self.absent = False

    def microvolts(self) -> int:
        """The voltage over its resistor, in uV."""
        if self.shorted:
            return _SUPPLY_UV
        if self.absent or self.covered:
            return 0
        lux = self._daylight() + _OWN_LUX * self._lamp() / 100
        current = _UA_PER_DECADE * math.log10(max(1.0, lux))
        return round(min(_BRIGHTEST_UA, current) * _LOAD_OHM)

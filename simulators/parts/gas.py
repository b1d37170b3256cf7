"""An Alphasense NO2-A43F pair on its own board: two voltages, of which one follows the gas."""

from random import Random

from simulators.parts.surroundings import Surroundings

WE_ZERO_MV = 234.0
AE_ZERO_MV = 228.0
SENSITIVITY_UV_PER_PPB = 250
CALIBRATION = {
    "gas/we_zero": round(10 * WE_ZERO_MV),
    "gas/ae_zero": round(10 * AE_ZERO_MV),
    "gas/sensitivity": SENSITIVITY_UV_PER_PPB,
}
"""Its calibration sheet, as fields of the configuration."""

# nT of AAN 803 at -30, -20 .. 50 C: how much more the background moves WE than AE.
_N = (0.8, 0.8, 1.0, 1.2, 1.6, 1.8, 1.9, 2.5, 3.6)
_DRIFT_UV_PER_C = 120.0  # of AE around 20 C
_SUPPLY_UV = 3_300_000


class GasPair:
    """The pair.

    Args:
        surroundings: gas and temperature.
        random: noise of both voltages; None for none.
    """

    def __init__(self, surroundings: Surroundings, random: Random | None = None) -> None:
        self._surroundings = surroundings
        self._random = random
        self._held = (0.0, 0.0)
        self._chance = Random("babble")
        self.absent = False
        self.babbling = False  # a wire that touches whatever is near
        self.frozen = False
        self.lying = False

    def brown_out(self) -> None:
        """Its supply dipped: nothing in it remembers."""
        self.frozen = False

    def working_uv(self) -> int:
        """Voltage of the working electrode in uV."""
        return self._voltages()[0]

    def auxiliary_uv(self) -> int:
        """Voltage of the auxiliary electrode in uV."""
        return self._voltages()[1]

    def _voltages(self) -> tuple[int, int]:
        if self.absent:
            return 0, 0
        if self.babbling:
            return self._chance.randrange(_SUPPLY_UV), self._chance.randrange(_SUPPLY_UV)
        if self.lying:
            return _SUPPLY_UV, _SUPPLY_UV
        if not self.frozen:
            temperature = self._surroundings.climate().temperature
            background = _DRIFT_UV_PER_C * (temperature - 20)
            gas = self._surroundings.no2() * SENSITIVITY_UV_PER_PPB
            working = 1000 * WE_ZERO_MV + gas + _share(temperature) * background
            self._held = self._noisy(working), self._noisy(1000 * AE_ZERO_MV + background)
        return round(self._held[0]), round(self._held[1])

    def _noisy(self, microvolts: float) -> float:
        return microvolts if self._random is None else self._random.gauss(microvolts, 1000.0)


def _share(temperature: float) -> float:
    place = min(max((temperature + 30) / 10, 0.0), len(_N) - 1.0)
    at = min(int(place), len(_N) - 2)
    return _N[at] + (_N[at + 1] - _N[at]) * (place - at)

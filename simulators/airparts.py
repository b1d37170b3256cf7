"""The models of a lamppost's air, climate and gas parts, by the codes of its configuration."""

from collections.abc import Mapping
from random import Random

from simulators.parts import Clock, Surroundings, UartPart
from simulators.parts.bme280 import Bme280
from simulators.parts.gas import CALIBRATION, GasPair
from simulators.parts.pms5003 import Pms5003
from simulators.parts.sds011 import Sds011
from simulators.parts.sen5x import Sen5x
from simulators.parts.sps30 import Sps30
from simulators.peripherals import I2cPart

# Codes of parts/air, parts/climate and parts/gas; 0 is the board's: a PMS5003, and nothing else.
_NONE, _PMS5003, _PMS3003, _SDS011, _SPS30, _SEN5X = 1, 2, 3, 4, 5, 6
_BME280, _CLIMATE_SEN5X = 2, 3
_NO2_PAIR = 2

_GAS_WE_PIN, _GAS_AE_PIN = 2, 7


class AirParts:
    """What is fitted to one lamppost.

    Args:
        codes: by name of the configuration's field under ``parts/``; 0 where absent.
        surroundings: what they measure.
        machine: machine seconds.
        seed: of their noise.

    Attributes:
        particulate: the particulate sensor, None for none. A SEN5x is it too.
        climate: the climate sensor where it is a part of its own.
        gas: the NO2 pair.

    Raises:
        ValueError: a code that is none.
    """

    def __init__(
        self, codes: Mapping[str, int], surroundings: Surroundings, machine: Clock, seed: str
    ) -> None:
        air, climate, gas = (codes.get(name, 0) for name in ("air", "climate", "gas"))
        noise = Random(f"{seed} air")
        self.particulate: Pms5003 | Sds011 | Sps30 | Sen5x | None = None
        if air in (0, _PMS5003, _PMS3003):
            self.particulate = Pms5003(surroundings, machine, noise, counts=air != _PMS3003)
        elif air == _SDS011:
            self.particulate = Sds011(surroundings, machine, noise)
        elif air == _SPS30:
            self.particulate = Sps30(surroundings, machine, noise)
        elif air == _SEN5X or climate == _CLIMATE_SEN5X:
            self.particulate = Sen5x(surroundings, machine, noise)
        elif air != _NONE:
            raise ValueError(f"parts/air: expected 0 to 6, got {air}")
        self.climate: Bme280 | None = None
        if climate == _BME280:
            self.climate = Bme280(surroundings, machine, Random(f"{seed} climate"))
        self.gas: GasPair | None = None
        if gas == _NO2_PAIR:
            self.gas = GasPair(surroundings, Random(f"{seed} gas"))

    def uart(self) -> UartPart | None:
        """The part on the particulate sensor's UART."""
        part = self.particulate
        return part if isinstance(part, Pms5003 | Sds011) else None

    def i2c(self) -> list[I2cPart]:
        """The parts on the I2C bus."""
        part = self.particulate
        parts: list[I2cPart] = [part] if isinstance(part, Sps30 | Sen5x) else []
        return [*parts, self.climate] if self.climate is not None else parts

    def microvolts(self, pin: int) -> int:
        """What they put on an analogue pin; 0 where nothing is connected."""
        if self.gas is None:
            return 0
        if pin == _GAS_WE_PIN:
            return self.gas.working_uv()
        return self.gas.auxiliary_uv() if pin == _GAS_AE_PIN else 0

    def brown_out(self) -> None:
        """The supply of all of them dipped."""
        for part in (self.particulate, self.climate, self.gas):
            if part is not None:
                part.brown_out()


def configured(codes: Mapping[str, int]) -> dict[str, int]:
    """The configuration with which a lamppost with such parts leaves the factory."""
    values = {f"parts/{name}": code for name, code in codes.items()}
    return values | CALIBRATION if codes.get("gas", 0) == _NO2_PAIR else values

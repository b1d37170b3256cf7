"""Which driver and which task the fitted air, climate and gas parts want.

Each import is inside the factory that needs it: a part that is not fitted costs nothing.
"""

from .. import parts


class AirParts:
    """Factories of the three tasks, and what they share.

    board: `pms_uart()`, `i2c()`, `gas_adcs()`. The codes fitted are those at the first call.
    """

    def __init__(self, board, clock, log, settings):
        from .conditions import Conditions

        self._board = board
        self._common = clock, log, settings
        self._settings = settings
        self._conditions = Conditions()
        self._sen5x = None

    def air(self):
        """The task of the particulate part."""
        from .air import AirSampler

        return AirSampler(self._particulate(), *self._common, self._conditions)

    def climate(self):
        """The task of the climate part."""
        from .climate import ClimateSampler

        if parts.fitted(self._settings, "climate") == parts.BME280:
            from ..drivers.bme280 import Bme280

            part = Bme280(self._board.i2c())
        else:
            from ..drivers.sen5x import Sen5xClimate

            shared = parts.fitted(self._settings, "air") == parts.SEN5X
            part = Sen5xClimate(self._sen5x_part(), shared)
        return ClimateSampler(part, *self._common, self._conditions)

    def gas(self):
        """The task of the gas part."""
        from ..drivers.no2 import No2
        from .gas import GasSampler

        we, ae = self._board.gas_adcs()
        part = No2(we, ae, self._settings, self._conditions)
        return GasSampler(part, *self._common, self._conditions)

    def _particulate(self):
        code = parts.fitted(self._settings, "air")
        if code == parts.SPS30:
            from ..drivers.sps30 import Sps30

            return Sps30(self._board.i2c())
        if code == parts.SEN5X:
            return self._sen5x_part()
        if code == parts.SDS011:
            from ..drivers.sds011 import Sds011

            return Sds011(self._board.pms_uart())
        from ..drivers.pms5003 import Pms5003

        return Pms5003(self._board.pms_uart())

    def _sen5x_part(self):
        """The one SEN5x, which two tasks may use."""
        if self._sen5x is None:
            from ..drivers.sen5x import Sen5x

            self._sen5x = Sen5x(self._board.i2c())
        return self._sen5x

"""Sensirion SPS30: a particulate sensor on I2C, in its format of big-endian floats."""

import struct

from simulators.parts.sensirion import SensirionPart
from simulators.parts.surroundings import Air

_START = 0x0010
_FLOATS = b"\x03\x00"
_TYPICAL_UM = 0.6
_PM4_SHARE = 0.6  # of what PM10 has above PM2.5
_COUNTS_PER_UG = (5.0, 6.0, 6.2, 6.25, 6.3)  # above 0.5, 1, 2.5, 4 and 10 um, in 1 cm3


class Sps30(SensirionPart):
    """The sensor; see :class:`SensirionPart`."""

    _MEASURED = 0x0300

    def starts(self, command: int, arguments: bytes) -> bool:
        """See :class:`SensirionPart`."""
        return command == _START and arguments == _FLOATS

    def measurement(self, air: Air) -> bytes:
        """See :class:`SensirionPart`."""
        pm4 = air.pm25 + _PM4_SHARE * (air.pm10 - air.pm25)
        counts = [air.pm25 * per_ug for per_ug in _COUNTS_PER_UG]
        return struct.pack(">10f", air.pm1, air.pm25, pm4, air.pm10, *counts, _TYPICAL_UM)

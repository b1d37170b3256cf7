"""Sensirion SEN55: particulates, humidity, temperature, VOC and NOx on I2C."""

import struct

from simulators.parts.sensirion import SensirionPart
from simulators.parts.surroundings import Air

_START = 0x0021
_START_WITHOUT_PM = 0x0037
_UNKNOWN = 0x7FFF
_UNKNOWN_PM = 0xFFFF
_NOX_SECONDS = 10
_PM4_SHARE = 0.6
_VOC_INDEX = 100.0
_NOX_PER_PPB = 0.3  # its NOx index is 1 on average; traffic lifts it


class Sen5x(SensirionPart):
    """The sensor; see :class:`SensirionPart`."""

    _MEASURED = 0x03C4

    @property
    def fan(self) -> bool:
        """See :class:`SensirionPart`."""
        return self._mode == _START

    def starts(self, command: int, arguments: bytes) -> bool:
        """See :class:`SensirionPart`."""
        return command in (_START, _START_WITHOUT_PM) and not arguments

    def measurement(self, air: Air) -> bytes:
        """See :class:`SensirionPart`."""
        climate = self._surroundings.climate()
        pm4 = air.pm25 + _PM4_SHARE * (air.pm10 - air.pm25)
        particles = [_word(10 * value) for value in (air.pm1, air.pm25, pm4, air.pm10)]
        if self._mode == _START_WITHOUT_PM:
            particles = [_UNKNOWN_PM] * 4
        known = self._machine() - self._started >= _NOX_SECONDS
        nox = min(500.0, 1 + _NOX_PER_PPB * self._surroundings.no2())
        return struct.pack(
            ">4H4h",
            *particles,
            round(100 * self._noisy(climate.humidity, 0.001)),
            round(200 * climate.temperature),
            round(10 * self._noisy(_VOC_INDEX, 0.02)),
            round(10 * nox) if known else _UNKNOWN,
        )


def _word(value: float) -> int:
    return min(0xFFFE, round(value))

"""The weather over a street: enough of it for parts that measure temperature and humidity."""

import math

from simulators.parts.surroundings import Climate
from simulators.world.sources import SlowNoise

_YEAR = 365.2425 * 86400
_DAY = 86400
_COLDEST_DAY = 20 * _DAY  # of the year
_WARMEST_HOUR = 15
# London's means: 11.5 C, seven either way over the year, four over the day.
_MEAN_C, _SEASON_C, _DAY_C = 11.5, 7.0, 4.0
_MEAN_HUMIDITY, _HUMIDITY_PER_C = 76.0, 3.2
_PASCAL, _PASCAL_SPREAD = 101_400.0, 900.0
# NO2 beside a road goes with its fine particles, which come from the same exhausts.
_NO2_PPB, _NO2_PER_UG = 6.0, 1.6


class Weather:
    """Temperature, humidity, pressure and NO2, the same again for the same seed."""

    def __init__(self, seed: int, origin: float) -> None:
        self._front = SlowNoise(f"front {seed}", origin, 0.97)
        self._pressure = SlowNoise(f"pressure {seed}", origin, 0.98)

    def climate(self, street: float) -> Climate:
        """The air at a street time."""
        season = math.cos(2 * math.pi * (street - _COLDEST_DAY) / _YEAR)
        hour = math.cos(2 * math.pi * (street / _DAY - _WARMEST_HOUR / 24))
        front = self._front.at(street)
        temperature = _MEAN_C - _SEASON_C * season + _DAY_C * hour + 2 * front
        humidity = _MEAN_HUMIDITY - _HUMIDITY_PER_C * _DAY_C * hour + 6 * front
        pressure = _PASCAL + _PASCAL_SPREAD * self._pressure.at(street)
        return Climate(temperature, min(99.0, max(15.0, humidity)), pressure)


def no2_of(pm25: float) -> float:
    """Nitrogen dioxide in ppb beside a road with so much PM2.5 in ug/m3."""
    return _NO2_PPB + _NO2_PER_UG * pm25

"""One street's world, and what of it each lamppost meets."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from simulators.clock import SimClock
from simulators.parts import Air, Climate, Walker
from simulators.world.light import daylight_lux, sun_elevation
from simulators.world.pavement import Pavement
from simulators.world.sources import (
    AirSource,
    PeopleSource,
    ReplayedAir,
    ReplayedPeople,
    SlowNoise,
    WeeklyAir,
    WeeklyPeople,
)
from simulators.world.weather import Weather, no2_of

_PM1_SHARE = 0.7  # of PM2.5: neither recording has PM1
_NOMINAL_VOLTS = 230.0
_VOLTS_SPREAD = 2.5


class World:
    """Light, air and people over one street, the same again for the same seed and clock.

    Args:
        clock: the street's clocks.
        seed: of everything that is chance.
        people: a footfall recording to replay instead of the weekly profile.
        air: an air recording to replay instead of the weekly profile.
        crowd: see :class:`~simulators.world.pavement.Pavement`.
        latitude, longitude: of the street, in degrees.

    Raises:
        RecordingError: a recording is none.
        OSError: a recording cannot be read.
    """

    def __init__(
        self,
        clock: SimClock,
        seed: int = 0,
        people: Path | None = None,
        air: Path | None = None,
        crowd: float = 1.0,
        latitude: float = 51.5074,
        longitude: float = -0.1278,
    ) -> None:
        self.clock = clock
        self._seed = seed
        self._crowd = crowd
        self._latitude = latitude
        self._longitude = longitude
        origin = float(clock.street_origin)
        self._people: PeopleSource = ReplayedPeople(people, origin) if people else WeeklyPeople()
        self._weather = Weather(seed, origin)
        self._air: AirSource = ReplayedAir(air, origin) if air else WeeklyAir(seed, origin)

    def at_lamppost(self, number: int) -> "LamppostWorld":
        """The surroundings of lamppost ``number``, which differ a little from one to the next."""
        pavement = Pavement(
            self._people,
            self.clock.machine,
            self.clock.street,
            self.clock.speed,
            f"people {self._seed} {number}",
            self._crowd,
        )
        return LamppostWorld(
            self.clock,
            self._air,
            self._weather,
            pavement,
            f"{self._seed} {number}",
            self.daylight_lux,
        )

    def sun_elevation(self) -> float:
        """Degrees of the sun above the horizon now."""
        return sun_elevation(self.clock.street(), self._latitude, self._longitude)

    def daylight_lux(self) -> float:
        """Daylight on the street now, in lux."""
        return daylight_lux(self.sun_elevation())


class LamppostWorld:
    """What one lamppost's parts meet (:class:`simulators.parts.Surroundings`).

    Attributes:
        pavement: the people under the lamppost.
        powered: False in a power cut.
    """

    def __init__(
        self,
        clock: SimClock,
        air: AirSource,
        weather: Weather,
        pavement: Pavement,
        seed: str,
        daylight: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._air = air
        self._weather = weather
        self._daylight = daylight
        self.pavement = pavement
        self.powered = True
        self._exposure = random.Random(f"exposure {seed}").uniform(0.9, 1.1)
        origin = float(clock.street_origin)
        self._local = SlowNoise(f"local {seed}", origin, 0.5)
        self._volts = SlowNoise(f"volts {seed}", origin, 0.8)

    def air(self) -> Air:
        """PM1, PM2.5 and PM10 at the inlet, ug/m3."""
        now = self._clock.street()
        pm25, pm10 = self._air.particles(now)
        factor = self._exposure * max(0.5, 1 + 0.05 * self._local.at(now))
        pm25 *= factor
        return Air(pm25 * _PM1_SHARE, pm25, max(pm25, pm10 * factor))

    def climate(self) -> Climate:
        """Temperature, humidity and pressure."""
        return self._weather.climate(self._clock.street())

    def no2(self) -> float:
        """Nitrogen dioxide, ppb."""
        return no2_of(self.air().pm25)

    def walkers(self) -> Sequence[Walker]:
        """Everybody within reach now."""
        return self.pavement.walkers()

    def mains_voltage(self) -> float:
        """Volts RMS at the supply terminals; 0 in a power cut."""
        if not self.powered:
            return 0.0
        return _NOMINAL_VOLTS + _VOLTS_SPREAD * self._volts.at(self._clock.street())

    def daylight_lux(self) -> float:
        """Daylight, in lux."""
        return self._daylight()

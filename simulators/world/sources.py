"""What the air and the footfall are at an hour: the weekly profiles, or a real recording again."""

import bisect
import json
import math
import random
from pathlib import Path
from typing import Any, Protocol

from simulators.world.calendar import HOURS_A_WEEK, uk_local, week_hour
from simulators.world.recordings import RecordingError, read_footfall, read_particles

PROFILES = Path(__file__).parent / "profiles.json"

MEAN_PEOPLE_PER_HOUR = 60.0
"""Of a shopping street off the centre, by which the relative profile is multiplied."""

_NOISE_STEP = 600.0  # street seconds between two values of the slow noise
_DEFAULT_PM10_RATIO = 1.6  # PM10 / PM2.5 where only one was measured, the profile's own mean


class PeopleSource(Protocol):
    """How many people pass one lamppost."""

    peak: float
    """The most people an hour it ever says."""

    def per_hour(self, street: float) -> float:
        """People an hour at street time ``street``, both directions together."""
        ...


class AirSource(Protocol):
    """Particulate matter over the street."""

    def particles(self, street: float) -> tuple[float, float]:
        """PM2.5 and PM10 in ug/m3 at street time ``street``."""
        ...


class SlowNoise:
    """Noise of unit variance that forgets itself by ``correlation`` in an hour.

    An autoregressive sequence in steps of ten minutes from ``origin``, the same for the same seed.
    """

    def __init__(self, seed: str, origin: float, correlation: float) -> None:
        self._random = random.Random(seed)
        self._origin = origin
        self._keep = correlation ** (_NOISE_STEP / 3600)
        self._values = [self._random.gauss(0, 1)]

    def at(self, street: float) -> float:
        """The noise at street time ``street``; before the origin it is as it was there."""
        position = max(0.0, (street - self._origin) / _NOISE_STEP)
        step = int(position)
        fresh = math.sqrt(1 - self._keep**2)
        while len(self._values) < step + 2:
            self._values.append(self._keep * self._values[-1] + fresh * self._random.gauss(0, 1))
        here, there = self._values[step], self._values[step + 1]
        return here + (there - here) * (position - step)


class WeeklyPeople:
    """The weekly footfall profile of Leeds, scaled to one lamppost."""

    def __init__(self, mean_per_hour: float = MEAN_PEOPLE_PER_HOUR) -> None:
        profile = _profiles()["people"]
        self._hours = [float(value) * mean_per_hour for value in profile["hours"]]
        self.peak = max(self._hours)

    def per_hour(self, street: float) -> float:
        """See :class:`PeopleSource`."""
        return _between(self._hours, week_hour(uk_local(street)) - 0.5)


class WeeklyAir:
    """The weekly profile of Marylebone Road with slow noise as its hours have."""

    def __init__(self, seed: int, origin: float) -> None:
        profile = _profiles()["air"]
        self._pm25 = [float(value) for value in profile["pm25"]]
        self._pm10 = [float(value) for value in profile["pm10"]]
        self._spread = float(profile["spread"])
        self._noise = SlowNoise(f"air {seed}", origin, float(profile["hour_correlation"]))

    def particles(self, street: float) -> tuple[float, float]:
        """See :class:`AirSource`."""
        # The mean of exp(s * noise) is exp(s^2 / 2): taken off, so that the profile is the mean.
        factor = math.exp(self._spread * self._noise.at(street) - self._spread**2 / 2)
        hour = week_hour(street) - 0.5
        return _between(self._pm25, hour) * factor, _between(self._pm10, hour) * factor


class ReplayedPeople:
    """The hours of one camera of a footfall recording, from the first that fits the origin.

    The first is at the same hour of the same weekday as the street's origin; after the last hour
    comes the first again.

    Raises:
        RecordingError: the file is no footfall recording, or has nothing of that camera.
    """

    def __init__(
        self,
        path: Path,
        origin: float,
        location: str | None = None,
        mean_per_hour: float = MEAN_PEOPLE_PER_HOUR,
    ) -> None:
        counts: dict[int, int] = {}
        for hour in read_footfall(path):
            location = location or hour.location
            if hour.location == location:
                counts[hour.start] = hour.people
        if not counts or not sum(counts.values()):
            raise RecordingError(f"{path}: expected counts of {location or 'a camera'}, got none")
        scale = mean_per_hour * len(counts) / sum(counts.values())
        self._hours = _Hours({at: count * scale for at, count in counts.items()}, uk_local(origin))
        self.peak = max(self._hours.values)

    def per_hour(self, street: float) -> float:
        """See :class:`PeopleSource`."""
        return self._hours.at(uk_local(street))


class ReplayedAir:
    """The hours of an air recording, from the first that fits the origin; gaps hold the last value.

    Raises:
        RecordingError: the file is no air recording, or has no PM2.5.
    """

    def __init__(self, path: Path, origin: float) -> None:
        fine: dict[int, float] = {}
        coarse: dict[int, float] = {}
        last: float | None = None
        for hour in read_particles(path):
            last = hour.pm25 if hour.pm25 is not None else last
            if last is not None:
                fine[hour.start] = last
                coarse[hour.start] = max(last, hour.pm10 or last * _DEFAULT_PM10_RATIO)
        if not fine:
            raise RecordingError(f"{path}: expected hours with PM2.5, got none")
        self._fine, self._coarse = _Hours(fine, origin), _Hours(coarse, origin)

    def particles(self, street: float) -> tuple[float, float]:
        """See :class:`AirSource`."""
        return self._fine.at(street), self._coarse.at(street)


class _Hours:
    """Recorded hours laid over the street's time."""

    def __init__(self, recorded: dict[int, float], origin: float) -> None:
        starts = sorted(recorded)
        self.values = [recorded[start] for start in starts]
        wanted = int(week_hour(origin))
        first = next((at for at in starts if int(week_hour(at)) == wanted), starts[0])
        self._starts = starts
        self._length = starts[-1] + 3600 - starts[0]
        self._shift = first - (origin - origin % 3600)

    def at(self, street: float) -> float:
        at = self._starts[0] + (street + self._shift - self._starts[0]) % self._length
        return self.values[max(0, bisect.bisect_right(self._starts, at) - 1)]


def _between(hours: list[float], position: float) -> float:
    """The profile at ``position``, straight from the middle of one hour to that of the next."""
    low = math.floor(position)
    share = position - low
    return hours[low % HOURS_A_WEEK] * (1 - share) + hours[(low + 1) % HOURS_A_WEEK] * share


def _profiles() -> dict[str, Any]:
    return json.loads(PROFILES.read_text())

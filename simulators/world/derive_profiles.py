"""Derives the weekly profiles in ``profiles.json`` from the real recordings.

    python -m simulators.world.derive_profiles FOLDER

FOLDER holds the two recordings named below. The profiles are derived figures; the recordings
themselves are not part of this project.
"""

import json
import math
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from simulators.world.calendar import HOURS_A_WEEK, week_hour
from simulators.world.recordings import (
    Particles,
    RecordingError,
    read_footfall,
    read_particles,
)

FOOTFALL = "leeds_footfall_2009_2016_hourly.csv.gz"
AIR = "london_marylebone_1998_2005_hourly.csv.gz"
OUTPUT = Path(__file__).parent / "profiles.json"


def people_profile(path: Path) -> dict[str, Any]:
    """Hourly footfall relative to its mean, the mean over cameras of each camera's profile."""
    by_camera: dict[str, list[list[int]]] = defaultdict(lambda: [[] for _ in range(HOURS_A_WEEK)])
    for hour in read_footfall(path):
        by_camera[hour.location][int(week_hour(hour.start))].append(hour.people)
    profiles: list[list[float]] = []
    for hours in by_camera.values():
        medians = [statistics.median(counts) for counts in hours]
        mean = statistics.fmean(medians)
        profiles.append([value / mean for value in medians])
    return {
        "source": "Leeds City Council, city centre footfall 2009-2016, 8 cameras; contains public "
        "sector information licensed under the Open Government Licence v3.0",
        "derived": "median count of each hour of the week (local time, hour 0 = Monday 00:00), "
        "divided by the week's mean, mean over the cameras",
        "hours": [round(statistics.fmean(values), 4) for values in zip(*profiles, strict=True)],
    }


def air_profile(path: Path) -> dict[str, Any]:
    """Mean PM2.5 and PM10 by hour of the week, and how they wander about it."""
    hours = [hour for hour in read_particles(path) if hour.pm25 and hour.pm10]
    means = _by_hour(hours)
    residuals = {
        hour.start: math.log(hour.pm25 / means[int(week_hour(hour.start))][0])
        for hour in hours
        if hour.pm25
    }
    spread = statistics.stdev(residuals.values())
    pairs = [(r, residuals[t + 3600]) for t, r in residuals.items() if t + 3600 in residuals]
    correlation = statistics.correlation(*zip(*pairs, strict=True))
    return {
        "source": "UK Automatic Urban and Rural Network, London Marylebone Road 1998-2005, hourly; "
        "(c) Crown copyright Defra, licensed under the Open Government Licence v3.0",
        "derived": "mean in ug/m3 of each hour of the week (UTC, hour 0 = Monday 00:00); standard "
        "deviation of ln(PM2.5 / that mean) and its correlation from one hour to the next",
        "pm25": [round(pm25, 2) for pm25, _ in means],
        "pm10": [round(pm10, 2) for _, pm10 in means],
        "spread": round(spread, 4),
        "hour_correlation": round(correlation, 4),
    }


def _by_hour(hours: list[Particles]) -> list[tuple[float, float]]:
    fine: list[list[float]] = [[] for _ in range(HOURS_A_WEEK)]
    coarse: list[list[float]] = [[] for _ in range(HOURS_A_WEEK)]
    for hour in hours:
        if hour.pm25 is not None and hour.pm10 is not None:
            fine[int(week_hour(hour.start))].append(hour.pm25)
            coarse[int(week_hour(hour.start))].append(hour.pm10)
    return [(statistics.fmean(a), statistics.fmean(b)) for a, b in zip(fine, coarse, strict=True)]


def main(arguments: list[str]) -> int:
    """Write ``profiles.json``; returns 0 done, 1 a recording cannot be read, 2 wrong arguments."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    try:
        profiles = {
            "people": people_profile(folder / FOOTFALL),
            "air": air_profile(folder / AIR),
        }
    except (OSError, RecordingError) as error:
        print(f"derive_profiles: {error}", file=sys.stderr)
        return 1
    OUTPUT.write_text(json.dumps(profiles, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

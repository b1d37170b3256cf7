"""Daylight: how high the sun stands and how light that makes a street."""

import itertools
import math


def sun_elevation(street: float, latitude: float, longitude: float) -> float:
    """Degrees of the sun above the horizon, without refraction, good to about 0.1 degree.

    Args:
        street: UTC epoch seconds.
        latitude: degrees, north positive.
        longitude: degrees, east positive.

    Source: the low-precision formulas of the Astronomical Almanac (page C5).
    """
    days = street / 86400 - 10957.5  # since 2000-01-01 12:00 UTC
    mean_longitude = math.radians((280.460 + 0.9856474 * days) % 360)
    anomaly = math.radians((357.528 + 0.9856003 * days) % 360)
    ecliptic = mean_longitude + math.radians(
        1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly)
    )
    obliquity = math.radians(23.439 - 0.0000004 * days)
    ascension = math.atan2(math.cos(obliquity) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(obliquity) * math.sin(ecliptic))
    sidereal = math.radians((280.46062 + 360.98564737 * days + longitude) % 360)
    here = math.radians(latitude)
    return math.degrees(
        math.asin(
            math.sin(here) * math.sin(declination)
            + math.cos(here) * math.cos(declination) * math.cos(sidereal - ascension)
        )
    )


def daylight_lux(elevation: float) -> float:
    """Illuminance on level ground under a clear sky, in lux, at a solar elevation in degrees.

    A straight line in log10 between values commonly given for a clear sky: 0.001 lx at night,
    3.4 lx at the end of civil twilight, 400 lx at sunrise, 100,000 lx with the sun overhead.
    """
    points = ((-18.0, -3.0), (-12.0, -2.1), (-6.0, 0.53), (0.0, 2.6), (10.0, 4.0), (90.0, 5.0))
    if elevation <= points[0][0]:
        return 10 ** points[0][1]
    for (low, from_log), (high, to_log) in itertools.pairwise(points):
        if elevation <= high:
            return 10 ** (from_log + (to_log - from_log) * (elevation - low) / (high - low))
    return 10 ** points[-1][1]

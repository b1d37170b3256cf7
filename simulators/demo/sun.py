"""When the sun sets and rises over a street, found on the simulated world's own sun."""

from simulators.world.light import sun_elevation

HORIZON = -0.833
"""Elevation in degrees at which the sun sets: its radius and refraction allowed for."""

_LOOK_SECONDS = 600.0
_EXACT_SECONDS = 1.0


def crossing(start: float, end: float, latitude: float, longitude: float, rising: bool) -> float:
    """First time between ``start`` and ``end`` at which the sun rises, or sets; ``end`` if never.

    Args:
        start: UTC epoch seconds.
        end: UTC epoch seconds.
        latitude: degrees, north positive.
        longitude: degrees, east positive.
        rising: look for sunrise, else for sunset.
    """

    def above(time: float) -> bool:
        return sun_elevation(time, latitude, longitude) > HORIZON

    low = start
    while low < end:
        high = min(low + _LOOK_SECONDS, end)
        if above(low) is not rising and above(high) is rising:
            while high - low > _EXACT_SECONDS:
                middle = (low + high) / 2
                if above(middle) is rising:
                    high = middle
                else:
                    low = middle
            return high
        low = high
    return end

"""Sunrise, sunset, civil dusk and civil dawn, sound in single precision.

The ESP32's floats have 24 bits: a Unix time has 128 s steps in one. So whatever grows with time is
an integer here (days, seconds, and the Sun's mean anomaly and longitude in 1e-8 degree), and floats
only see reduced angles. The Sun's place is that of Meeus, "Astronomical Algorithms", chapter 25
(low accuracy, 0.01 degree); the equation of time follows from its right ascension (chapter 28). The
event's time is found from the declination at noon, then twice more from that at the event itself.
It is within 39 s of `astral` at sunset and sunrise, whose refraction is another, and within 5 s at
civil twilight: the worst of 2024 to 2040 from 60 N to 60 S.

Altitudes of the Sun's centre: -50' for sunrise and sunset (34' of refraction, 16' of semidiameter),
-6 degrees, geometric, for civil twilight.
"""

import math

SUNSET = 1  # the numbers of protocol.configuration's kinds of control
SUNRISE = 2
CIVIL_DUSK = 3
CIVIL_DAWN = 4

# Answers where there is no event that day; every event's time is positive.
STAYS_UP = -1  # the Sun stays above the event's altitude: polar day, or a white night for dusk
STAYS_DOWN = -2  # it stays below: polar night

_DAY = 86400
# 2000-01-01T12:00:00Z, J2000.0. The 69 s between UTC and TT are less than the formulas' error.
_J2000 = 946_728_000
_CIRCLE = 36_000_000_000  # 360 degrees in 1e-8 degree

# Mean anomaly, mean longitude, the Moon's ascending node: at J2000, and per day, in 1e-8 degree.
_ANOMALY = 35_752_911_000
_ANOMALY_RATE = 98_560_028
_LONGITUDE = 28_046_646_000
_LONGITUDE_RATE = 98_564_736
_NODE = 12_504_000_000
_NODE_RATE = -5_295_381

_ALTITUDES = {
    SUNSET: -0.83333,
    SUNRISE: -0.83333,
    CIVIL_DUSK: -6.0,
    CIVIL_DAWN: -6.0,
}


def _real(whole, divisor):
    """The float nearest to whole / divisor: the one door from integers to floats."""
    return whole / divisor


def _radians(hundred_millionths):
    """An angle in 1e-8 degree as radians in [0, 2 pi)."""
    return math.radians(_real(hundred_millionths % _CIRCLE, 100_000_000))


def _turned(degrees):
    """`degrees` brought into [-180, 180)."""
    while degrees >= 180:
        degrees = degrees - 360
    while degrees < -180:
        degrees = degrees + 360
    return degrees


def place(unix_s):
    """(declination in radians, equation of time in degrees) of the Sun at `unix_s`.

    The equation of time is the hour angle of the true Sun less that of the mean Sun.
    """
    since = unix_s - _J2000
    anomaly = _radians(_ANOMALY + _ANOMALY_RATE * since // _DAY)
    mean = _LONGITUDE + _LONGITUDE_RATE * since // _DAY
    node = _radians(_NODE + _NODE_RATE * since // _DAY)
    # Equation of the centre, aberration and nutation: small, so floats hold them well.
    centre = (
        math.sin(anomaly) * 1.914602
        + math.sin(anomaly * 2) * 0.019993
        + math.sin(anomaly * 3) * 0.000289
    )
    apparent = centre - 0.00569 - math.sin(node) * 0.00478
    true = _radians(mean + int(apparent * 100_000_000))
    obliquity = math.radians(math.cos(node) * 0.00256 + (23.43929 - _real(since, _DAY) * 3.5623e-7))
    sine = math.sin(true)
    declination = math.asin(math.sin(obliquity) * sine)
    ascension = math.degrees(math.atan2(math.cos(obliquity) * sine, math.cos(true)))
    equation = _real(mean % _CIRCLE, 100_000_000) - 0.005718 - ascension
    return declination, _turned(equation - math.sin(node) * 0.00478 * math.cos(obliquity))


def mean_noon(day, longitude, utc_offset):
    """Unix time of the mean Sun's noon that belongs to a local day.

    day: days since 1970-01-01 of the local date. longitude: 1e-4 degree, east positive.
    utc_offset: minutes of local standard time less UTC; where it is far from the longitude (Samoa),
    the noon nearest to the clock's noon is meant.
    """
    clock = day * _DAY + _DAY // 2 - utc_offset * 60
    mean = day * _DAY + _DAY // 2 - longitude * 24 // 1000  # 240 s a degree
    return mean + (clock - mean + _DAY // 2) // _DAY * _DAY


def noon(day, longitude, utc_offset=0):
    """Unix time at which the Sun is highest on a local day; arguments as for `mean_noon`."""
    mean = mean_noon(day, longitude, utc_offset)
    return mean - int(place(mean)[1] * 240)


def altitude(unix_s, latitude, longitude):
    """Degrees of the Sun's centre above the horizon, without refraction.

    latitude, longitude: 1e-4 degree, north and east positive.
    """
    declination, equation = place(unix_s)
    # Seconds since the mean Sun's noon here.
    since = (unix_s + longitude * 24 // 1000 - _DAY // 2) % _DAY
    angle = math.radians(_real(since, 240) + equation)
    north = math.radians(_real(latitude, 10_000))
    sine = math.sin(north) * math.sin(declination)
    sine = sine + math.cos(north) * math.cos(declination) * math.cos(angle)
    return math.degrees(math.asin(max(-1, min(1, sine))))


def event(kind: int, day: int, latitude: int, longitude: int, utc_offset: int = 0) -> int:
    """Unix time of an event on a local day, STAYS_UP or STAYS_DOWN when there is none.

    kind: SUNSET, SUNRISE, CIVIL_DUSK or CIVIL_DAWN. latitude, longitude: 1e-4 degree, north and
    east positive. day, utc_offset: as for `mean_noon`.
    Raises KeyError for another kind.
    """
    altitude = math.sin(math.radians(_ALTITUDES[kind]))
    rising = kind in (SUNRISE, CIVIL_DAWN)
    # At a pole itself every hour angle is one: stand 10 m beside it.
    north = math.radians(_real(max(-899_999, min(899_999, latitude)), 10_000))
    mean = mean_noon(day, longitude, utc_offset)
    when = mean
    for _ in range(3):
        declination, equation = place(when)
        cosine = (altitude - math.sin(north) * math.sin(declination)) / (
            math.cos(north) * math.cos(declination)
        )
        if cosine <= -1:
            return STAYS_UP
        if cosine >= 1:
            return STAYS_DOWN
        angle = math.degrees(math.acos(cosine))
        if rising:
            angle = -angle
        when = mean + int((angle - equation) * 240)
    return when

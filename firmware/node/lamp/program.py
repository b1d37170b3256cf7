"""What a control program does in one night, from noon to noon.

A control is [kind, minutes, level], as in protocol.configuration. It occurs once a night: at a time
of its evening or of its small hours, at the sunset or dusk of its evening, at the sunrise or dawn
of its morning. A program without controls wishes for no level from noon on.

In a program that both lights the lamp and puts it out by the Sun or the photocell (it has a control
at sunset, dusk or photocell-on above 0 and one at sunrise, dawn or photocell-off with 0) that time
is TALQ's active period: a fixed-time control only changes a lamp so lit. Without that "100 % again
from 05:30" would burn from 05:30 to sunset on every day of summer. Where the offsets leave nothing
of a short night, the lamp stays off.

Where the Sun does not do what a control waits for, the control goes where the event vanished to as
the days grew or shrank: in polar night sunrise and sunset met at noon, the Sun having set last, so
sunset is at noon and sunrise does not occur: the lamp stays lit. In polar day they met at midnight,
the Sun having risen last: sunrise is at midnight, sunset does not occur, the lamp stays off. The
same holds for dusk and dawn, whose polar day includes the white nights from 60 degrees on.

The photocell's controls occur when it has decided, in the order of a night as it should be: the
step photocell-on is no later than sunset, for a cell that a headlight misled, or that has only just
started, finds the night's steps as far as they are and does not begin anew. It is one step a night:
in a program with both, sunrise puts out what a thunderstorm after it does not light again, and
whichever of the photocell and the Sun comes first lights the lamp, or puts it out. A photocell that
is not fitted, or not to be believed, is the Sun: photocell-on is sunset, photocell-off is sunrise.
"""

from protocol.configuration import (
    CIVIL_DAWN,
    CIVIL_DUSK,
    FIXED_TIME,
    MAX_CONTROLS,
    PHOTOCELL_OFF,
    PHOTOCELL_ON,
    SUNRISE,
    SUNSET,
)

from . import local, sun

# What a control does where it occurs.
STEP = 0  # gives its level
WITHIN = 1  # gives its level to a lamp that its own night has lit
LIGHTS = 2  # gives its level and begins the night's active period
ENDS = 3  # gives its level and ends that period

_LIGHTING = SUNSET, CIVIL_DUSK, PHOTOCELL_ON
_ENDING = SUNRISE, CIVIL_DAWN, PHOTOCELL_OFF
_NOON = 720  # minutes


def has_photocell(controls):
    """Whether a program has a control of the photocell."""
    return any(control[0] >= PHOTOCELL_ON for control in controls)


def occurrences(controls, night, site, dst, sensed):
    """[(Unix time, night, order, what it does, level or None)] of a program's controls in a night.

    controls: valid as lamp/program. night: day number (since 1970-01-01) of the local date on whose
    noon it begins. site: (latitude, longitude in 1e-4 degree, utc_offset in minutes). dst:
    site/dst. sensed: (whether the photocell sees the dark, Unix time since when), or None with no
    photocell to be believed. Unsorted; of two at the same time the one of higher order, which is
    the later in the program, comes last.
    """
    if not controls:
        return [(local.instant(night, _NOON, site[2], dst), night, 0, STEP, None)]
    trimmed = _has(controls, _LIGHTING, True) and _has(controls, _ENDING, False)
    found = []
    over = 0  # when the Sun, or the photocell in the morning, puts the lamp out
    for index, (kind, minutes, level) in enumerate(controls):
        order = index
        does = STEP
        if kind == FIXED_TIME:
            day = night if minutes >= _NOON else night + 1
            when = local.instant(day, minutes, site[2], dst)
            if local.wall(when, site[2], dst) % local.DAY != minutes * 60:
                # Of those that clocks skip in spring the last by the clock holds.
                order = index + MAX_CONTROLS * (1 + minutes)
            if trimmed:
                does = WITHIN
        else:
            if kind >= PHOTOCELL_ON and sensed is not None:
                when = _sensed(kind, night, site, dst, sensed)
            else:
                when = _event(kind, night, site)
            if when is None:
                continue
            when += minutes * 60
            if kind in _LIGHTING:
                does = LIGHTS if level else STEP
            elif not level:
                does = ENDS
                if kind < PHOTOCELL_ON or when > local.instant(night + 1, 0, site[2], dst):
                    over = max(over, when)
        found.append((when, night, order, does, level))
    if over:
        found = [one for one in found if one[3] != LIGHTS or one[0] < over]
    return found


def _has(controls, kinds, lit):
    """Whether a control of `kinds` lights the lamp, or, with lit False, puts it out."""
    return any(kind in kinds and (level > 0) == lit for kind, _, level in controls)


def _sensed(kind, night, site, dst, sensed):
    """Unix time of the photocell's control in a night, or None when it does not occur."""
    dark, since = sensed
    if dark != (kind == PHOTOCELL_ON) or since >= local.instant(night + 1, _NOON, site[2], dst):
        return None
    if dark:
        sunset = _event(SUNSET, night, site)
        if sunset is not None:
            since = min(since, sunset)
    return max(since, local.instant(night, _NOON, site[2], dst))


def _event(kind, night, site):
    """Unix time of an event of the Sun in a night, or None when it does not occur."""
    rising = kind in _ENDING
    day = night + 1 if rising else night
    if kind >= PHOTOCELL_ON:
        kind = SUNRISE if rising else SUNSET
    when = sun.event(kind, day, site[0], site[1], site[2])
    if when >= 0:
        return when
    noon = sun.noon(day, site[1], site[2])
    if when == sun.STAYS_UP:
        return noon - local.DAY // 2 if rising else None
    return None if rising else noon

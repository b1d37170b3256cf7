"""The control program: the controls of a day, fixed-time and astronomical, and which is in force.

A control is [kind, minutes, level], as in protocol.configuration. Each occurs once a day; the
latest that occurred at or before now is in force, whichever day it was, so a night needs no special
care.

In a program whose Sun both lights the lamp and puts it out (it has a control at sunset or dusk
above 0 and one at sunrise or dawn with 0) a fixed-time control only changes a lamp that the Sun has
lit. Without that "100 % again from 05:30" would burn from 05:30 to sunset on every day of summer.

Where the Sun does not do what a control waits for, the control goes where the event vanished to as
the days grew or shrank: in polar night sunrise and sunset met at noon, the Sun having set last, so
sunset is at noon and sunrise does not occur: the lamp stays lit. In polar day they met at midnight,
the Sun having risen last: sunrise is at midnight, sunset does not occur, the lamp stays off. The
same holds for dusk and dawn, whose polar day includes the white nights from 60 degrees on.
"""

from protocol.configuration import (
    CIVIL_DAWN,
    CIVIL_DUSK,
    FIXED_TIME,
    MAX_CONTROLS,
    SUNRISE,
    SUNSET,
)

from . import local, sun

# How far from its local day a control can occur: an offset of 3 h, a clock 13 h off the Sun.
_NEAR = 2

_SETTING = SUNSET, CIVIL_DUSK
_RISING = SUNRISE, CIVIL_DAWN


class Program:
    """The program of one site.

    controls: at most 10 of [kind, minutes, level]. latitude, longitude: 1e-4 degree. utc_offset:
    minutes. dst: site/dst.
    Raises ValueError for controls that are none.
    """

    def __init__(self, controls, latitude, longitude, utc_offset=0, dst=0):
        if not isinstance(controls, (list, tuple)) or len(controls) > MAX_CONTROLS:
            raise ValueError("program: expected up to %d controls" % MAX_CONTROLS)
        self._controls = [_control(control) for control in controls]
        self._site = (latitude, longitude, utc_offset)
        self._dst = dst
        # Whether fixed-time controls are kept to the night.
        self._trimmed = self._has(_SETTING, True) and self._has(_RISING, False)
        # What `_occur` found, by local day; at most five days are kept.
        self._days = {}
        # What was last answered, and from when until when it holds.
        self._level = None
        self._from = 0
        self._until = 0

    def at(self, now):
        """(level in percent, seconds until the next control) at Unix time `now`.

        The level is None when no control occurred in the last two days: the program is empty, or
        all it waits for is a Sun that never rises, or never sets.
        """
        if not self._from <= now < self._until:
            self._look(now)
        return self._level, self._until - now

    def _look(self, now):
        """Find the control in force and the next one: once per control, not per call."""
        today = local.day_of(now, self._site[2], self._dst)
        for day in list(self._days):
            if not today - _NEAR <= day <= today + _NEAR:
                del self._days[day]
        occurrences = []
        for day in range(today - _NEAR, today + _NEAR + 1):
            if day not in self._days:
                self._days[day] = self._occur(day)
            occurrences.extend(self._days[day])
        self._level = None
        self._from = now
        self._until = now + local.DAY
        by_day = False  # the Sun has put the lamp out
        # Of two at the same time the later in the program wins: its index is in the tuple.
        for when, _, kind, level in sorted(occurrences):
            if when > now:
                self._until = min(self._until, when)
                break
            if kind != FIXED_TIME:
                by_day = self._trimmed and kind in _RISING and not level
            if not (kind == FIXED_TIME and by_day):
                self._level = level

    def _has(self, kinds, lit):
        """Whether a control of `kinds` lights the lamp, or, with lit False, puts it out."""
        return any(kind in kinds and (level > 0) == lit for kind, _, level in self._controls)

    def _occur(self, day):
        """[(Unix time, index, kind, level)] of the controls that occur on local day `day`."""
        found = []
        events = {}  # the Sun is the dear part: once a kind
        for index, (kind, minutes, level) in enumerate(self._controls):
            if kind == FIXED_TIME:
                when = local.instant(day, minutes, self._site[2], self._dst)
            else:
                if kind not in events:
                    events[kind] = _event(kind, day, self._site)
                if events[kind] is None:
                    continue
                when = events[kind] + minutes * 60
            found.append((when, index, kind, level))
        return found


def _event(kind, day, site):
    """Unix time of an astronomical event on a local day, or None when it does not occur."""
    when = sun.event(kind, day, *site)
    if when >= 0:
        return when
    noon = sun.noon(day, site[1], site[2])
    rising = kind in _RISING
    if when == sun.STAYS_UP:
        return noon - local.DAY // 2 if rising else None
    return None if rising else noon


def _control(control):
    """A control as a tuple. Raises ValueError when it is none."""
    if not isinstance(control, (list, tuple)) or len(control) != 3:
        raise ValueError("control: expected [kind, minutes, level], got %r" % (control,))
    for value in control:
        if not isinstance(value, int):
            raise ValueError("control: expected integers, got %r" % (control,))
    kind, minutes, level = control
    if not FIXED_TIME <= kind <= CIVIL_DAWN or not 0 <= level <= 100:
        raise ValueError("control: expected kind 0 to 4 and level 0 to 100 %%, got %r" % (control,))
    low, high = (0, 1439) if kind == FIXED_TIME else (-180, 180)
    if not low <= minutes <= high:
        raise ValueError("control: expected %d to %d min, got %r" % (low, high, control))
    return kind, minutes, level

"""The level a lamp should have by its calendar, its programs, the clock and the photocell."""

from . import local, sun
from .program import ENDS, LIGHTS, WITHIN, has_photocell, occurrences

# The fields of the configuration that a schedule is made of.
NAMES = (
    "lamp/program",
    "lamp/programs",
    "lamp/calendar",
    "site/latitude",
    "site/longitude",
    "site/utc_offset",
    "site/dst",
    "photocell/on_lux",
)

# With a photocell's program the Sun is asked so often whether the photocell can be right, in s.
_DOUBT_EVERY = 600
# Civil twilight ends with some 3 lux: below so many degrees there is no daylight to be seen.
_SURELY_NIGHT = -7
# Above so many degrees the thickest cloud leaves some 300 lux; and it does not stay for so long.
_SURELY_DAY = 5
_LONG = 7200
_FEW_LUX = 100


class Schedule:
    """Which level holds when.

    values: a configuration with at least the fields NAMES, valid as `protocol.configuration` has
    it. photocell: an object with `dark` True, False, or None for unknown, and `changed_at`, the
    Unix time since when, 0 if the clock was not set then; None where none is fitted.

    A photocell that sees light in the night, or two hours of dark in the day, is not believed until
    it changes its mind: the Sun stands in for it.
    """

    def __init__(self, values, photocell=None):
        self._programs = [values["lamp/program"]]
        self._programs.extend(values["lamp/programs"])
        self._rules = values["lamp/calendar"]
        self._site = (values["site/latitude"], values["site/longitude"], values["site/utc_offset"])
        self._dst = values["site/dst"]
        self._few = values["photocell/on_lux"] <= _FEW_LUX
        # May be replaced: the lamp has its programs before anything else is fitted.
        self.photocell = photocell
        self._asks = any(has_photocell(controls) for controls in self._programs)
        # What the photocell said at the last look, and what of it was believed.
        self._said = None
        self._sensed = None
        self.doubted = False
        # Controls of the nights around now, four at most; what was last answered, from and until.
        self._nights = {}
        self._level = None
        self._from = 0
        self._until = 0

    def at(self, now):
        """(level in percent, seconds until the next control) at Unix time `now`.

        The level is that of the latest control that occurred, of this night or an earlier one. It
        is None when none occurred in the last two nights (all it waits for is a Sun that never
        rises, or never sets), or when the night's program is empty.

        now 0 is a clock that is not set: then the photocell alone decides, full or dark, and
        without one the level is None.
        """
        if not now:
            dark = self._heard()[0]
            return (None if dark is None else 100 if dark else 0), _DOUBT_EVERY
        if not self._from <= now < self._until or (self._asks and self._heard() != self._said):
            self._look(now)
        return self._level, self._until - now

    def program(self, now):
        """Number of the program of the night at Unix time `now`: 0 or that of lamp/programs."""
        return self._number(local.night_of(now, self._site[2], self._dst))

    def _heard(self):
        cell = self.photocell
        return (None, 0) if cell is None else (cell.dark, cell.changed_at)

    def _look(self, now):
        """Find the control in force and the next one: once per control, not per call."""
        # Nothing is known until all of it is: a look without memory must not leave the day's
        # answer in force for the night.
        self._until = 0
        until = now + local.DAY
        if self._asks:
            until = now + _DOUBT_EVERY
            self._listen(now)
        tonight = local.night_of(now, self._site[2], self._dst)
        for night in list(self._nights):
            if not tonight - 2 <= night <= tonight + 1:
                del self._nights[night]
        found = []
        for night in range(tonight - 2, tonight + 2):
            if night not in self._nights:
                self._nights[night] = self._occurrences(night)
            found.extend(self._nights[night])
        found.sort()
        self._level = None
        lit = 0  # the night that has lit the lamp
        for when, night, _, does, level in found:
            if when > now:
                until = min(until, when)
                break
            if night < lit or (does == WITHIN and lit != night):
                continue  # in the far north a morning may come after the next night has begun
            if does == LIGHTS:
                lit = night
            elif does == ENDS:
                lit = 0
            self._level = level
        self._from = now
        self._until = until

    def _occurrences(self, night):
        controls = self._programs[self._number(night)]
        return occurrences(controls, night, self._site, self._dst, self._sensed)

    def _number(self, night):
        if not self._rules:
            return 0
        from .calendar import program_of

        number = program_of(night, self._rules)
        return number if number < len(self._programs) else 0

    def _listen(self, now):
        """Take what the photocell says, if it is to be believed."""
        said = self._heard()
        if said != self._said:
            self.doubted = False
        self._said = said
        dark, since = said
        sensed = None
        if dark is not None:
            self.doubted = self.doubted or self._cannot_be(dark, now - since, now)
            if not self.doubted:
                sensed = (dark, min(since, now))
        if sensed != self._sensed:
            self._sensed = sensed
            self._nights = {}

    def _cannot_be(self, dark, passed, now):
        """Whether the Sun proves a photocell wrong that has seen `dark` for `passed` seconds."""
        if dark and not (self._few and passed >= _LONG):
            return False
        altitude = sun.altitude(now, self._site[0], self._site[1])
        return altitude > _SURELY_DAY if dark else altitude < _SURELY_NIGHT

"""What the lamp is guided by when nobody commands it: settings, clock, program and presence.

A `Guide` looks once a street second at most, and answers with plain attributes, so that the lamp's
steps in between cost nothing.
"""

from protocol import configuration

from . import clo, failsafe

_SECTIONS = ("lamp", "site", "presence", "photocell")


class Guide:
    """The lamp's settings in force, and what they ask for now.

    settings: `.values`, replaced as a whole when it changes; `.version` and `.given`, 0 and empty
    while none was applied.

    Attributes:
        level: dimming level in percent of the program or the fail-safe rung, None for neither.
        default: level where the program has none.
        presence: level that presence asks for, or None. quiet: what that is with nobody near.
        rung: of the fail-safe ladder, `failsafe.NONE` for none.
        minimum, fade, quick, burn, groups: lamp/minimum_level, lamp/fade_ms, presence/fade_ms,
            lamp/burn, lamp/groups.
        shift: steps of arc power from the command down to the driver, see `clo`.
        faults: settings that could not be used, counted once per change of them.
    """

    def __init__(self, settings):
        self._settings = settings
        # The photocell, an object with `.dark` True, False or None for unknown; None without one.
        self.photocell = None
        # Called, answers whether somebody near would be noticed; None where that cannot fail.
        self.watched = None
        # Has `.minutes`, how long the lamp has burnt; None while it is not counted.
        self.counters = None
        self.faults = 0
        self.level = None
        self.default = 100
        self.presence = None
        self.quiet = None
        self.rung = failsafe.NONE
        self.shift = 0
        self._values = self  # what all this was made of; none were read yet
        self._looked = None  # uptime, s
        self._timed = False  # whether the time was known then
        self._near = None
        self._program = None
        self._hours = 0
        self._forget()

    def seen(self, uptime, seconds):
        """Somebody is near at `uptime` s, for `seconds` or, with 0, for the configured hold."""
        if self._near is not None:
            self._near.seen(uptime, seconds)
            self._looked = None

    def look(self, unix_s, uptime):
        """Renew all attributes for Unix time `unix_s`, 0 while unknown, and `uptime` s."""
        values = self._settings.values
        if values is not self._values:
            try:
                self._take(values)
            except MemoryError:
                # Half taken they would have the lamp full on by day, until the next change.
                self._values = self
                raise
        elif uptime == self._looked and (unix_s != 0) == self._timed:
            return
        self._looked = uptime
        self._timed = unix_s != 0
        photocell = self.photocell
        dark = None if photocell is None else photocell.dark
        settings = self._settings
        self.rung = failsafe.rung(
            self._program is not None,
            settings.version != 0 or bool(settings.given),
            self._timed,
            dark,
        )
        level = None
        if self._timed and self._program is not None:
            self._program.photocell = photocell
            level = self._program.at(unix_s)[0]
        if self.rung:
            self.level = failsafe.level(self.rung, dark, level)
            self.presence = None
            return
        self.level = level
        self.presence = None
        # Nobody would be seen coming: the program's light is the safer.
        if self._near is not None and (self.watched is None or self.watched()):
            self.presence = self._near.wish(self.default if level is None else level, uptime)
            self.quiet = self._near.quiet
        self._reckon(values)

    def _reckon(self, values):
        """Renew the driver's share of the light for the hours that the lamp has burnt."""
        hours = -1 if self.counters is None else self.counters.minutes // 60
        if self.shift is None or hours != self._hours:
            self._hours = hours
            share = 100  # of a lamp whose age nobody knows: too much light is the safer
            if hours >= 0:
                share = clo.factor(values["lamp/clo"], max(0, hours - values["lamp/fitted_at"]))
            self.shift = clo.shift(values["lamp/virtual_output"], share)

    def _take(self, values):
        """Take settings over; those that make no sense are counted, and the lamp is full on."""
        self._values = values
        near = self._near
        self._forget()
        mine = _lamps(values)
        if not mine or configuration.validate(mine):
            self.faults += 1
            return
        self._program = _schedule(values)
        self.default = values["lamp/default_level"]
        self.minimum = values["lamp/minimum_level"]
        self.fade = values["lamp/fade_ms"]
        self.quick = values["presence/fade_ms"]
        self.burn = values["lamp/burn"]
        self.groups = values["lamp/groups"]
        if values["presence/level"]:
            from .presence import Presence

            self._near = Presence(
                values["presence/level"], values["presence/idle_level"], values["presence/hold"]
            )
            if near is not None:
                self._near.adopt(near)
        self.shift = None
        self._reckon(values)

    def _forget(self):
        self._program = None
        self._near = None
        self.default = 100
        self.minimum = 0
        self.fade = 0
        self.quick = 0
        self.burn = 0
        self.groups = 0
        self.shift = 0


def _lamps(values):
    """The fields of `values` that the lamp depends on, None for each that is missing."""
    if not isinstance(values, dict):
        return {}
    mine = {}
    for field in configuration.FIELDS:
        if field[0].split("/")[0] in _SECTIONS:
            mine[field[0]] = values.get(field[0])
    return mine


def _schedule(values):
    from .schedule import Schedule

    return Schedule(values)

"""The lamp's task: gathers the wishes, asks the arbiter, and ramps the output there."""

import asyncio
import time

from protocol import configuration, records

from . import arbiter, dali
from .program import Program
from .ramp import Ramp

_TICK_MS = 20  # while the light changes: 50 steps a second look smooth
_IDLE_MS = 100  # while it does not; also how late a control may be
_BLINK_MS = 500
_BLINK_LOW = 10  # percent: seen from afar, and never dark
_MAX_IDENTIFY_S = 600
_MAX_OVERRIDE_S = 604800

# The first five are what a Program is made of, in its order.
_NAMES = (
    "lamp/program",
    "site/latitude",
    "site/longitude",
    "site/utc_offset",
    "site/dst",
    "lamp/default_level",
    "lamp/minimum_level",
    "lamp/fade_ms",
)


class Lamp:
    """Keeps the lamp at the level that its strongest wish asks for.

    output: an `Output`. clock: `now()` Unix s, 0 while unset, and `uptime()` s, both in street
    time. settings: `.values`, the effective configuration. It needs no link and no other task: with
    the clock unset, or settings that make no sense, the lamp is full on.
    """

    def __init__(self, output, clock, settings):
        self._output = output
        self._clock = clock
        self._settings = settings
        self._arbiter = arbiter.Arbiter()
        # Called with (level now, reason code, wanted level) whenever wanted or reason changes.
        self.on_change = None
        # Called with (records.EVENT_OVERRIDE_*, level) when an override begins or ends.
        self.on_event = None
        # Settings that could not be used, counted once per change of them.
        self.faults = 0
        self._wanted = 100
        self._reason = records.REASON_DEFAULT
        self._began = False  # the first decision is told, whatever it is
        self._ramp = None
        self._ramp_began = 0  # ticks
        self._astray = False  # a step failed and left the light full on, whatever is wanted
        self._override_ends = 0  # uptime, s
        self._sensor_ends = 0  # uptime, s
        self._identify_began = 0  # ticks
        self._identify_ms = 0  # 0 while it does not blink
        self._raw = None  # what _program and the rest were made of
        self._program = None
        self._default = 100
        self._minimum = 0
        self._fade_ms = 0

    @property
    def level(self):
        """Dimming level of the light now, in percent."""
        settled = self._ramp is None and not self._astray
        if settled and self._reason != records.REASON_IDENTIFY:
            return self._wanted
        return dali.percent(self._output.arc)

    @property
    def wanted(self):
        """Dimming level the lamp is at or on its way to, in percent."""
        return self._wanted

    @property
    def reason(self):
        """Why: a reason code of protocol.records."""
        return self._reason

    def override(self, level, seconds):
        """Hold `level` percent for `seconds` of street time, 1..604800; level None cancels.

        Afterwards the program has the lamp again. It does not outlive a restart: the program is the
        safer of the two. Raises ValueError for values out of range.
        """
        if level is None:
            self._end_override()
            return
        if not 1 <= seconds <= _MAX_OVERRIDE_S:
            raise ValueError("seconds: expected 1 to %d, got %r" % (_MAX_OVERRIDE_S, seconds))
        self._arbiter.wish(arbiter.OVERRIDE, level)
        self._override_ends = self._clock.uptime() + seconds
        self._tell(records.EVENT_OVERRIDE_SET, level)

    def presence(self, level, seconds):
        """Hold `level` percent for `seconds` of street time because a sensor sees somebody.

        Raises ValueError for a level out of range.
        """
        self._arbiter.wish(arbiter.SENSOR, level)
        self._sensor_ends = self._clock.uptime() + max(0, seconds)

    def fail_safe(self, level):
        """Hold `level` percent above every other wish until called with None.

        Raises ValueError for a level out of range.
        """
        self._arbiter.wish(arbiter.FAILSAFE, level)

    def identify(self, seconds):
        """Blink for `seconds` of machine time, at most 600, so that somebody finds it; 0 stops."""
        self._identify_began = time.ticks_ms()
        self._identify_ms = max(0, min(_MAX_IDENTIFY_S, seconds)) * 1000

    async def run(self, check_in):
        """The lamp's task; `check_in()` is called at every step.

        A step that fails leaves the lamp full on and raises: a street that cannot be dimmed is lit.
        """
        while True:
            check_in()
            try:
                pause = self.step(time.ticks_ms())
            except Exception:
                self._astray = True
                self._ramp = None
                self._output.full()
                raise
            await asyncio.sleep_ms(pause)

    def step(self, now):
        """Bring the lamp to where it belongs at machine time `now` (ticks); ms to the next step."""
        self._gather(now)
        level, reason = self._arbiter.decide()
        if level:
            level = max(level, self._minimum)
        if level != self._wanted or reason != self._reason or not self._began:
            self._turn(level, reason, now)
        elif self._astray:
            self._aim(now)
        self._astray = False
        if reason == records.REASON_IDENTIFY:
            dark = time.ticks_diff(now, self._identify_began) // _BLINK_MS % 2
            self._output.arc = dali.arc_level(_BLINK_LOW if dark else 100)
            return _TICK_MS
        if self._ramp is None:
            return _IDLE_MS
        elapsed = time.ticks_diff(now, self._ramp_began)
        self._output.arc = self._ramp.arc(elapsed)
        if self._ramp.done(elapsed):
            self._ramp = None
        return _TICK_MS

    def _turn(self, level, reason, now):
        """Start towards `level` because of `reason`."""
        before = self.level
        self._began = True
        self._wanted = level
        self._reason = reason
        self._aim(now)
        if self.on_change is not None:
            self.on_change(before, reason, level)

    def _aim(self, now):
        self._ramp = Ramp(self._output.arc, dali.arc_level(self._wanted), self._fade_ms)
        self._ramp_began = now

    def _gather(self, now):
        """Renew the wishes that time, clock and settings decide."""
        self._read_settings()
        uptime = self._clock.uptime()
        if self._arbiter.of(arbiter.OVERRIDE) is not None and uptime >= self._override_ends:
            self._end_override()
        if self._arbiter.of(arbiter.SENSOR) is not None and uptime >= self._sensor_ends:
            self._arbiter.wish(arbiter.SENSOR, None)
        if self._identify_ms and time.ticks_diff(now, self._identify_began) >= self._identify_ms:
            self._identify_ms = 0
        self._arbiter.wish(arbiter.IDENTIFY, 100 if self._identify_ms else None)
        unix_s = self._clock.now()
        # Not knowing day from night, the lamp is full on whatever the settings' default is.
        self._arbiter.wish(arbiter.DEFAULT, self._default if unix_s else 100)
        level = None
        if unix_s and self._program is not None:
            level = self._program.at(unix_s)[0]
        self._arbiter.wish(arbiter.PROGRAM, level)

    def _end_override(self):
        level = self._arbiter.of(arbiter.OVERRIDE)
        if level is not None:
            self._arbiter.wish(arbiter.OVERRIDE, None)
            self._tell(records.EVENT_OVERRIDE_ENDED, level)

    def _tell(self, code, value):
        if self.on_event is not None:
            self.on_event(code, value)

    def _read_settings(self):
        """Take over the settings when they changed; what makes no sense counts and is full on."""
        values = self._settings.values
        if not isinstance(values, dict):
            values = {}
        raw = [values.get(name) for name in _NAMES]
        if raw == self._raw:
            return
        self._raw = raw
        self._program = None
        self._default = 100
        self._minimum = 0
        self._fade_ms = 0
        problems = configuration.validate(dict(zip(_NAMES, raw)))
        if problems:
            self.faults += 1
            return
        self._program = Program(*[values[name] for name in _NAMES[:5]])
        self._default = values["lamp/default_level"]
        self._minimum = values["lamp/minimum_level"]
        self._fade_ms = values["lamp/fade_ms"]

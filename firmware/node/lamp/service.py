"""The lamp's task: gathers the wishes, asks the arbiter, and ramps the output there.

Who wants what is elsewhere: the program's level in `guide`, the ranks in `arbiter`, and from the
level that was decided to what the driver gets in `clo`. `level` and `wanted`, here as in records
and messages, are dimming levels as commanded, not what the driver makes of them.

When somebody came by is theirs: what is written down or told without being asked for is `told`, the
level as if nobody were ever near.
"""

import asyncio
import time

from protocol import records

from . import arbiter, dali
from .clo import driven
from .guide import Guide
from .ramp import Ramp

_TICK_MS = 20  # while the light changes: 50 steps a second look smooth
_IDLE_MS = 100  # while it does not; also how late a control may be
_SETTLE_MS = 5000  # after a change, until driver and meter show what the light is
_BLINK_MS = 500
_BLINK_LOW = 10  # percent: seen from afar, and never dark
_MAX_IDENTIFY_S = 600
_MAX_OVERRIDE_S = 604800


class Lamp:
    """Keeps the lamp at the level that its strongest wish asks for.

    output: an `Output`. clock: `now()` Unix s, 0 while unset, and `uptime()` s, both in street
    time. settings: `.values`, the effective configuration, replaced as a whole when it changes;
    `.version` and `.given`. powered_on: whether the node starts because the power came.

    It needs no link and no other task. What keeps it from knowing its level puts it on a rung of
    the ladder in `failsafe`, and at worst full on.
    """

    def __init__(self, output, clock, settings, powered_on=False):
        self._output = output
        self._clock = clock
        self._arbiter = arbiter.Arbiter()
        self.guide = Guide(settings)
        # Called with (level, reason code, wanted level), both as `told`, when one of them changes.
        self.on_change = None
        # Called with (code of an event of the lamp's, its value).
        self.on_event = None
        # What could not be told of these two, since whoever listens failed.
        self.untold = 0
        # Times since start that it went from dark to lit: with the power counts.
        self.switch_ons = 1 if powered_on else 0
        # Times since start that its own sensor saw somebody.
        self.sightings = 0
        # Full light asked of the driver and steady for so long that a meter shows it.
        self.settled = False
        # Code of who asked for the override in force, as its request had it.
        self.why = 0
        self._wanted = 100
        self._quiet = 100  # wanted with nobody near
        self._reason = records.REASON_DEFAULT
        self._rung = 0
        self._began = False  # the first decision is told, whatever it is
        self._arc = dali.FULL  # as commanded
        self._ramp = None
        self._changed = 0  # ticks, when the ramp began or the light last changed
        self._astray = False  # a step failed and left the light full on, whatever is wanted
        self._override_ends = 0  # uptime, s
        self._burning = powered_on  # until its end is known
        self._burn_ends = None  # uptime, s
        self._identify_began = 0  # ticks
        self._identify_ms = 0  # 0 while it does not blink

    @property
    def level(self):
        """Dimming level of the light now, in percent."""
        settled = self._ramp is None and not self._astray
        if settled and self._reason != records.REASON_IDENTIFY:
            return self._wanted
        return dali.percent(self._arc)

    @property
    def told(self):
        """`level` as if nobody were near."""
        return self._quiet if self._reason == records.REASON_SENSOR else self.level

    @property
    def wanted(self):
        """Dimming level the lamp is at or on its way to, in percent."""
        return self._wanted

    @property
    def reason(self):
        """Why: a reason code of protocol.records."""
        return self._reason

    @property
    def light(self):
        """Light asked of the driver now, 0..65535 of its full."""
        return dali.duty(self._output.arc)

    @property
    def failed(self):
        """Whether the driver itself reports a failure, None where it cannot."""
        return self._output.failed

    @property
    def groups(self):
        """Groups that the lamp is in, lamp/groups: bit 0 is group 1."""
        return self.guide.groups

    @property
    def faults(self):
        """Settings that could not be used, counted once per change of them."""
        return self.guide.faults

    @property
    def override_left(self):
        """Seconds of street time that the override in force has left, 0 without one."""
        if self._arbiter.of(arbiter.OVERRIDE) is None:
            return 0
        return max(0, self._override_ends - self._clock.uptime())

    def override(self, level, seconds, why=0):
        """Hold `level` percent for `seconds` of street time, 1..604800; level None cancels.

        why: code of who asks, 0..255. Afterwards the program has the lamp again. It does not
        outlive a restart: the program is the safer of the two. It ends a commissioning burn.
        Raises ValueError for values out of range.
        """
        if level is None:
            self._end_override()
            return
        if not 1 <= seconds <= _MAX_OVERRIDE_S:
            raise ValueError("seconds: expected 1 to %d, got %r" % (_MAX_OVERRIDE_S, seconds))
        self._arbiter.wish(arbiter.OVERRIDE, level)
        self._override_ends = self._clock.uptime() + seconds
        self.why = why
        self._burning = False
        self._tell(records.EVENT_OVERRIDE_SET, level)

    def seen(self):
        """Its own sensor sees somebody, who counts as near for presence/hold s of street time."""
        self.sightings = (self.sightings + 1) & 0xFFFFFFFF
        self.guide.seen(self._clock.uptime(), 0)

    def near(self, seconds=0):
        """Somebody is near or will be, as a neighbour saw: for `seconds`, 0 for presence/hold."""
        self.guide.seen(self._clock.uptime(), seconds)

    def fail_safe(self, level):
        """Hold `level` percent above every other wish until called with None.

        Raises ValueError for a level out of range.
        """
        self._arbiter.wish(arbiter.FAILSAFE, level)

    def identify(self, seconds):
        """Blink for `seconds` of machine time, at most 600, so that somebody finds it; 0 stops.

        It ends a commissioning burn.
        """
        self._identify_began = time.ticks_ms()
        self._identify_ms = max(0, min(_MAX_IDENTIFY_S, seconds)) * 1000
        self._burning = False

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
                self.settled = False
                self._ramp = None
                self._arc = dali.FULL
                self._output.full()
                raise
            await asyncio.sleep_ms(pause)

    def step(self, now):
        """Bring the lamp to where it belongs at machine time `now` (ticks); ms to the next step."""
        self._gather(now)
        level, reason = self._arbiter.decide()
        if self._rung and reason <= records.REASON_PROGRAM:
            reason = records.REASON_FAILSAFE
        quiet = self.guide.quiet if reason == records.REASON_SENSOR else level
        if level:
            level = max(level, self.guide.minimum)
        if quiet:
            quiet = max(quiet, self.guide.minimum)
        before = self.told
        tell = quiet != self._quiet or reason != self._reason or not self._began
        if level != self._wanted or reason != self._reason or not self._began:
            self._turn(level, reason, now)
        elif self._astray:
            self._aim(now, self.guide.fade)
        self._astray = False
        self._quiet = quiet
        if tell:
            self._notify(self.on_change, before, reason, quiet)
        if reason == records.REASON_IDENTIFY:
            dark = time.ticks_diff(now, self._identify_began) // _BLINK_MS % 2
            self._drive(dali.arc_level(_BLINK_LOW if dark else 100))
            return _TICK_MS
        if self._ramp is None:
            self._drive(self._arc)  # a factor of the driver's light may have changed
            if not self.settled and time.ticks_diff(now, self._changed) >= _SETTLE_MS:
                self.settled = True
            return _IDLE_MS
        elapsed = time.ticks_diff(now, self._changed)
        self._drive(self._ramp.arc(elapsed))
        if self._ramp.done(elapsed):
            self._ramp = None
            self._changed = now
        return _TICK_MS

    def _drive(self, arc):
        self._arc = arc
        self._output.arc = driven(arc, self.guide.shift)

    def _turn(self, level, reason, now):
        """Start towards `level` because of `reason`."""
        before = self.level
        if level and not self._wanted:
            self.switch_ons += 1
        self._began = True
        self._wanted = level
        self._reason = reason
        up = reason == records.REASON_SENSOR and level > before
        self._aim(now, self.guide.quick if up else self.guide.fade)

    def _aim(self, now, fade):
        self._ramp = Ramp(self._arc, dali.arc_level(self._wanted), fade)
        self._changed = now
        self.settled = False

    def _gather(self, now):
        """Renew the wishes that time, clock and settings decide."""
        uptime = self._clock.uptime()
        if self._arbiter.of(arbiter.OVERRIDE) is not None and uptime >= self._override_ends:
            self._end_override()
        if self._identify_ms and time.ticks_diff(now, self._identify_began) >= self._identify_ms:
            self._identify_ms = 0
        self._arbiter.wish(arbiter.IDENTIFY, 100 if self._identify_ms else None)
        guide = self.guide
        guide.look(self._clock.now(), uptime)
        if self._rung != guide.rung:
            self._rung = guide.rung
            self._tell(records.EVENT_FAIL_SAFE, guide.rung)
        if self._burning and self._burns(uptime):
            self._arbiter.wish(arbiter.DEFAULT, 100)
            self._arbiter.wish(arbiter.PROGRAM, None)
            self._arbiter.wish(arbiter.SENSOR, None)
            return
        self._arbiter.wish(arbiter.DEFAULT, guide.default)
        self._arbiter.wish(arbiter.PROGRAM, guide.level)
        self._arbiter.wish(arbiter.SENSOR, guide.presence)

    def _burns(self, uptime):
        """Whether the commissioning burn goes on; it is told when it begins."""
        if self._burn_ends is None:
            seconds = self.guide.burn
            self._burn_ends = uptime + seconds
            if seconds:
                self._tell(records.EVENT_BURN, seconds)
        self._burning = uptime < self._burn_ends
        return self._burning

    def _end_override(self):
        level = self._arbiter.of(arbiter.OVERRIDE)
        if level is not None:
            self._arbiter.wish(arbiter.OVERRIDE, None)
            self.why = 0
            self._tell(records.EVENT_OVERRIDE_ENDED, level)

    def _tell(self, code, value):
        self._notify(self.on_event, code, value)

    def _notify(self, listener, *what):
        """Tell a listener; the light does not depend on whether it can take it."""
        if listener is None:
            return
        try:
            listener(*what)
        except Exception:  # noqa: BLE001 - a flash that fails must not darken or light the street
            self.untold += 1

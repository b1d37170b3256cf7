"""The one shape of the tasks that sample a measuring part and write its means."""

import asyncio
import time

from protocol import records

from ..drivers.part import BEYOND, NOTHING
from .health import Health
from .pause import pause
from .period import Period

# The same to the last digit for so long is no measurement any more.
_FROZEN_MS = 600_000
# Samples out of range, less those that are not: not the air, but the part.
_BEYOND = 30
# I2C transactions that fail in a row: one does where there is lightning about.
_ERRORS = 3
# Bytes that make no sense, within this time: a tenth of what a line at 9600 baud can carry.
_BABBLE = 1000
_BABBLE_MS = 10_000
_STEP_MS = 1000
_LOW_COVERAGE = 750  # per mille: what a mean needs to be published

_LOST = 0
_SUSPECT = 1
_REST = 2


class PartTask:
    """The task of a part (see `drivers.part`), whose means over air/period it writes as `kind`.

    A derived class writes the record (`write`). EXTREME: the value whose least and greatest are
    kept. RESTS: whether the part rests for air/rest between two records.

    What the part says in its warming time after a start is thrown away. A period without a sample
    has no record; one shorter than the part's pace waits for a sample, and its record says how long
    it was. The part is restarted when it is silent (EVENT_SENSOR_LOST), and when it babbles,
    freezes or lies out of range (EVENT_SENSOR_SUSPECT), less and less often while that does not
    help. EVENT_SENSOR_BACK follows when it answers again, and when a whole record was sound.
    """

    EXTREME = 0
    RESTS = False

    def __init__(self, part, kind, clock, log, settings):
        self.part = part
        self.log = log
        self.settings = settings
        self.port_failures = 0
        self.count = 0
        self.least = 0
        self.greatest = 0
        self.flags = 0
        self._kind = kind
        self._clock = clock
        self._health = Health(kind, log)
        self._period = Period(clock, settings, "air/period")
        self._sums = [0] * len(part.values)
        self._watched = 0  # ms that samples stand for
        self._since = 0  # machine time of the period's begin
        self._heard = 0  # machine time of the newest sample
        self._mark = None
        self._marked = 0  # machine time since when the mark is the same
        self._frozen = False
        self._suspected = False  # until a whole record is sound

    @property
    def healthy(self):
        """Whether the part gives samples."""
        return self._health.healthy

    def write(self, period, coverage):
        """Append the record of `count` samples: see `mean`, `least`, `greatest` and `flags`.

        period: s. coverage: per mille of the period that samples stand for.
        """
        raise NotImplementedError

    def sampled(self):
        """A sample that counts was added."""

    def still_ms(self) -> int:
        """How long the part may say the same in what it measures now."""
        return _FROZEN_MS

    def mean(self, index) -> int:
        """Mean of value `index`, rounded."""
        return (self._sums[index] + self.count // 2) // self.count

    async def run(self, check_in):
        """Start the part, sample it, start it again whenever it fails or has rested."""
        anew = False
        while True:
            try:
                if anew:
                    self.flags |= records.FLAG_RESTARTED
                    await self.part.reset()
                await self.part.start()
                outcome = await self._sample(check_in)
            except OSError:
                self.port_failures += 1  # as good as silence
                outcome = _LOST
            self._flush()
            anew = outcome != _REST
            if anew:
                if outcome == _SUSPECT:
                    self._suspected = True
                    wait = self._health.suspect()
                else:
                    wait = self._health.lost()
                await pause(wait, check_in)
            else:
                await self._rest(check_in)

    async def _sample(self, check_in):
        """Sample from a fresh start until there is a reason to begin anew, or to rest."""
        part = self.part
        began = self._heard = babble_from = time.ticks_ms()
        junk = part.junk
        warm = False
        errors = 0
        beyond = 0
        while True:
            check_in()
            what = NOTHING
            try:
                what = await part.poll()
                errors = 0
            except OSError:
                errors += 1
                if errors >= _ERRORS:
                    if part.junk != junk:
                        return _SUSPECT
                    raise
            now = time.ticks_ms()
            gap = time.ticks_diff(now, self._heard)
            if time.ticks_diff(now, babble_from) >= _BABBLE_MS:
                if part.junk - junk > _BABBLE:
                    return _SUSPECT
                babble_from = now
                junk = part.junk
            if what == NOTHING:
                if gap >= part.SILENT_MS:
                    # Bytes without sense instead of samples are no silence.
                    return _SUSPECT if part.junk - junk > _BABBLE // 4 else _LOST
            else:
                self._heard = now
                if not self._suspected:
                    self._health.answered()
                if self._freezes(now):
                    return _SUSPECT
                if not warm:
                    if time.ticks_diff(now, began) >= part.WARM_MS:
                        warm = True
                        self._begin(now)
                elif part.SELF_STARTING and self.restarted(gap):
                    self.flags |= records.FLAG_RESTARTED
                    self._flush()
                    self.flags |= records.FLAG_RESTARTED
                    warm = False
                    began = now
                elif what == BEYOND:
                    self.flags |= records.FLAG_OUT_OF_RANGE
                    beyond += 1
                    if beyond >= _BEYOND:
                        return _SUSPECT
                else:
                    beyond = max(0, beyond - 1)
                    self._add(gap)
            if warm and self.count and self._period.over():
                if not self.flags & (records.FLAG_FROZEN | records.FLAG_OUT_OF_RANGE):
                    self._suspected = False
                self._flush()
                if self.RESTS and self.settings.values["air/rest"]:
                    return _REST
            if part.POLL_MS > _STEP_MS:
                await pause(part.POLL_MS, check_in)
            else:
                await asyncio.sleep_ms(part.POLL_MS)

    def restarted(self, gap) -> bool:
        """Whether the newest sample, `gap` ms after the one before, is that of a part just on."""
        return False

    async def _rest(self, check_in):
        """Let the part rest for air/rest, in street time."""
        began = self._clock.uptime()
        try:
            await self.part.rest()
        except OSError:
            self.port_failures += 1  # it wears a little more; the next start tells whether it lives
        while self._clock.uptime() - began < self.settings.values["air/rest"]:
            await pause(1000, check_in)
        # Waiting for the next period is no reason to call what it says frozen.
        self._marked = time.ticks_ms()

    def _freezes(self, now):
        """Take the newest sample's mark; whether it has become one too many of the same."""
        if self.part.mark != self._mark:
            self._mark = self.part.mark
            self._marked = now
            self._frozen = False
        elif time.ticks_diff(now, self._marked) >= self.still_ms():
            self._marked = now
            self._frozen = True
            self.flags |= records.FLAG_FROZEN
            return True
        if self._frozen:
            self.flags |= records.FLAG_FROZEN
        return False

    def _begin(self, now):
        """Begin a period."""
        self._period.restart()
        self._since = now
        self._watched = 0
        # What came while it warmed up is not of this period.
        self.flags &= records.FLAG_RESTARTED | records.FLAG_FROZEN

    def _add(self, gap):
        values = self.part.values
        for index in range(len(values)):
            self._sums[index] += values[index]
        value = values[self.EXTREME]
        if not self.count or value < self.least:
            self.least = value
        if not self.count or value > self.greatest:
            self.greatest = value
        self.count += 1
        self._watched += min(gap, self.part.SLOWEST_MS)
        if not self._frozen:
            self.sampled()

    def _flush(self):
        """Write the record of the samples there are: a shorter period is better than none."""
        if not self.count:
            return
        # Until the newest sample: the time from there on is the next one's, unless it was missed.
        end = time.ticks_ms()
        if time.ticks_diff(end, self._heard) <= self.part.SLOWEST_MS:
            end = self._heard
        lasted = max(1, time.ticks_diff(end, self._since))
        coverage = min(1000, self._watched * 1000 // lasted)
        if coverage < _LOW_COVERAGE:
            self.flags |= records.FLAG_LOW_COVERAGE
        if self.part.fault:
            self.flags |= records.FLAG_PART_FAULT
        self.write(self._period.restart(), coverage)
        self.count = 0
        self.flags = 0
        self._since = end
        self._watched = 0
        for index in range(len(self._sums)):
            self._sums[index] = 0

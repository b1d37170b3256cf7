"""Footfall: people counted by direction over the people period; nothing else leaves this module."""

import asyncio
import time

from protocol import records

from ..drivers import vl53l1x
from .health import Health
from .passage import A, B, Estimate, Passages, Zone
from .pause import pause
from .period import Period

# Two halves of the 16x16 array, 8 SPADs wide each; A looks at the side people come from on their
# way towards.
_CENTRES = {A: 167, B: 231}
_WIDTH = 8
_HEIGHT = 16
_SLOT_MS = 50  # a zone's turn
_AGAIN_MS = 1000  # the lamp holds for seconds: so often it hears that somebody is still there
# The longest a zone may go unseen without missing somebody who runs through it.
_GAP_MS = 250
# It hangs above every head, and cannot see beyond this: anything else is dirt, a lid or a lie.
_NEAREST_MM = 300
_FARTHEST_MM = 5000
# So many looks in a row, two minutes, of which each is that or the same to the last digit as the
# zone's look before: light is never twice alike for long.
_ODD = 2400


class PeopleSampler:
    """The task of the ranging sensor on `i2c`, looking straight down.

    A record says which share of its period was watched; a period not watched at all has no record.
    settings: `.values`, of which people/period and people/factor are read. seen: called while
    somebody is below, where the sensor serves the lamp as well; else None.
    """

    def __init__(self, i2c, clock, log, settings):
        self._settings = settings
        self._sensor = vl53l1x.Vl53l1x(i2c)
        self._log = log
        self._health = Health(records.PEOPLE, log)
        self._period = Period(clock, settings, "people/period")
        self._began = time.ticks_ms()  # of the period, machine time
        self._passages = Passages()
        self.seen = None
        self._told = self._began  # when it was called last, machine time
        self._estimate = Estimate()
        self._results = [(), ()]  # the newest of each zone
        self._odd = 0  # looks in a row that can hardly be

    @property
    def healthy(self):
        """Whether the sensor ranges."""
        return self._health.healthy

    async def run(self, check_in):
        """Configure the sensor and count; again after it failed."""
        while True:
            started = False
            try:
                await self._sensor.start(_WIDTH, _HEIGHT)
                started = True
                await self._count(check_in)
                wait = self._health.suspect()
            except OSError as error:
                # Absent, or browned out: what both have in common is the remedy. One that cannot be
                # started though it answers babbles, or is another part.
                babbles = isinstance(error, vl53l1x.SensorError) and not started
                wait = self._health.suspect() if babbles else self._health.lost()
            began = time.ticks_ms()
            while time.ticks_diff(time.ticks_ms(), began) < wait:
                await pause(min(wait, 1000), check_in)
                self._close()

    async def _count(self, check_in):
        """Look at the zones in turn until the sensor fails (OSError) or cannot be believed."""
        zones = {A: Zone(), B: Zone()}
        passages = self._passages
        passages.reset()
        zone = A
        elapsed = 0
        self._odd = 0
        last = turn = time.ticks_ms()
        while self._odd < _ODD:
            check_in()
            result = await self._sensor.range(_CENTRES[zone])
            self._judge(zone, result)
            now = time.ticks_ms()
            gap = time.ticks_diff(now, last)
            last = now
            elapsed += gap
            if gap > _GAP_MS:
                passages.reset()  # who was below may have gone, and somebody else have come
                gap = 0
            occupied = zones[zone].look(result[0] == vl53l1x.VALID, result[1])
            if occupied:
                self._tell(now)
            blocked = passages.blocked
            passages.update(zone, occupied, result[1], elapsed, gap)
            if passages.blocked and not blocked:
                zones[A].relearn()
                zones[B].relearn()
            self._close()
            zone = B if zone == A else A
            turn = time.ticks_add(turn, _SLOT_MS)
            wait = time.ticks_diff(turn, time.ticks_ms())
            if wait < 0:
                turn = time.ticks_ms()
            await asyncio.sleep_ms(max(0, wait))

    def _judge(self, zone, result):
        """Take note of whether a result can be."""
        far = _FARTHEST_MM if result[0] != vl53l1x.VALID else result[1]
        if result == self._results[zone] or not _NEAREST_MM <= far <= _FARTHEST_MM:
            self._odd += 1
        else:
            self._odd = 0
            self._health.answered()
        self._results[zone] = result

    def _tell(self, now):
        seen = self.seen
        if seen is not None and not 0 <= time.ticks_diff(now, self._told) < _AGAIN_MS:
            self._told = now
            seen()

    def _close(self):
        """Write the record of a period that is over, if any of it was watched."""
        if not self._period.over():
            return
        lasted = self._period.restart()
        now = time.ticks_ms()
        machine = max(1, time.ticks_diff(now, self._began))
        self._began = now
        taken = self._passages.take()
        coverage = min(1000, taken[4] * 1000 // machine)
        towards, away, counted, share = self._estimate.people(
            taken, self._settings.values["people/factor"]
        )
        if coverage:
            self._log.append(
                records.PEOPLE,
                lasted,
                towards,
                away,
                coverage,
                counted,
                self._flags(coverage, share),
            )

    def _flags(self, coverage, share):
        flags = records.FLAG_LOW_COVERAGE if coverage < 750 else 0
        return flags | records.FLAG_CROWDED if share < 500 else flags

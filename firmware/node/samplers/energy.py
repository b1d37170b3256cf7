"""Energy and mains: a total that only grows, and means over the energy period."""

import asyncio

from protocol import records

from .health import Health
from .pause import pause
from .period import Period
from .total import EnergyTotal

_PACE_MS = 1000  # between two readings; the slowest meter renews its own every 400 ms
_POLL_MS = 20
_REPLY_MS = 300  # a reply takes 55 ms of line time at most

# What a lamppost can have on its supply: beyond it the meter is wrong, not the world.
_LEAST_DV = 400  # below 40 V no meter runs
_MOST_DV = 4400
_MOST_MA = 40_000
_MOST_DW = 80_000

# A counter that stands still while this many counts must have come, and so many seconds passed, is
# a meter that hangs.
_FROZEN_COUNTS = 4
_FROZEN_S = 10


class EnergySampler:
    """The task of the energy meter.

    meter: see `samplers.meter`. path: file for the total, see `EnergyTotal`; written with each
    record. code: of the meter, parts/meter. cold: whether the node has just got its power. A period
    without a reading has no record: the next one's total makes up for it. Means are of what was
    read in the period.

    on_sample: called with (power 0.1 W, voltage 0.1 V, current mA) at each sound reading, or None.
    """

    def __init__(self, meter, clock, log, settings, path=None, code=2, cold=False):
        self._meter = meter
        self._clock = clock
        self._log = log
        self._health = Health(records.ENERGY, log)
        self._period = Period(clock, settings, "energy/period")
        self.total = EnergyTotal(path, code, meter.keeps, cold)
        self.on_sample = None
        self.port_failures = 0
        self.senseless = 0  # readings that cannot be
        self._counter = None  # the newest, and the street s at which it last moved
        self._moved = 0
        self._readings = 0
        self._sums = [0, 0, 0]  # 0.1 V, mA, 0.1 W

    @property
    def healthy(self):
        """Whether the meter replies, and with what can be."""
        return self._health.healthy

    async def run(self, check_in):
        """Read the meter every second; less often while it does not reply."""
        misses = 0
        nonsense = 0
        while True:
            check_in()
            try:
                reply = await self._read()
            except OSError:
                reply = None  # as good as silence
                self.port_failures += 1
            wait = _PACE_MS
            if reply is not None and self._possible(reply):
                misses = 0
                nonsense = self._nonsense()
                self._health.answered()
                self._add(reply)
                if self._period.over():
                    self._flush()
            else:
                misses += 1
                if misses >= self._meter.patience:
                    self._flush()
                    self._period.restart()  # what comes is of the time from here on
                    told = self._nonsense()
                    wait = self._health.lost() if told == nonsense else self._health.suspect()
                    wait = min(wait, self._meter.rest_ms)
                    nonsense = told
            await pause(wait, check_in)

    def _nonsense(self):
        """How much of what was said so far was no reading."""
        return self._meter.rejected + self.senseless

    async def _read(self):
        """One reading, or None when there is no sound reply in 300 ms."""
        self._meter.ask()
        for _ in range(_REPLY_MS // _POLL_MS):
            await asyncio.sleep_ms(_POLL_MS)
            reply = self._meter.poll()
            if reply is not None:
                return reply
        return None

    def _possible(self, reply):
        """Whether a reading can be of a lamppost, and its counter goes with its power."""
        voltage, current, power, counter = reply
        now = self._clock.uptime()
        if counter != self._counter:
            self._counter = counter
            self._moved = now
        used = abs(power) * 100_000 * (now - self._moved)  # uJ
        frozen = (
            self._meter.keeps
            and now - self._moved >= _FROZEN_S
            and used > _FROZEN_COUNTS * self._meter.unit
        )
        if (
            frozen
            or not _LEAST_DV <= voltage <= _MOST_DV
            or current > _MOST_MA
            or abs(power) > _MOST_DW
        ):
            self.senseless += 1
            return False
        return True

    def _add(self, reply):
        voltage, current, power, counter = reply
        # A shunt wired the other way round shows the power with the other sign.
        power = abs(power)
        self.total.update(counter, self._clock.uptime(), self._meter.wrap, self._meter.unit)
        sums = self._sums
        sums[0] += voltage
        sums[1] += current
        sums[2] += power
        self._readings += 1
        if self.on_sample is not None:
            self.on_sample(power, voltage, current)

    def _flush(self):
        """Write the record of the readings there are: a shorter period is better than none."""
        if not self._readings:
            return
        half = self._readings // 2
        means = [(total + half) // self._readings for total in self._sums]
        self._readings = 0
        self._sums = [0, 0, 0]
        self._log.append(records.ENERGY, self._period.restart(), self.total.watthours, *means)
        self.total.save()

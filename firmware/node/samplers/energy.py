"""Energy and mains: a total that only grows, and means over the energy period."""

import asyncio

from protocol import records

from ..drivers.bl0942 import Bl0942
from .health import Health
from .pause import pause
from .period import Period
from .total import EnergyTotal

_PACE_MS = 1000  # between two readings; the meter renews its own every 400 ms
_POLL_MS = 20
_REPLY_MS = 300  # a reply takes 52 ms of line time
_MISSES = 3


class EnergySampler:
    """The task of the energy meter on `uart`.

    path: file for the total, see `EnergyTotal`; written with each record. A period without a
    reading has no record: the next one's total makes up for it. Means are of what was read in the
    period.
    """

    def __init__(self, uart, clock, log, settings, path=None):
        self._meter = Bl0942(uart)
        self._clock = clock
        self._log = log
        self._health = Health(records.ENERGY, log)
        self._period = Period(clock, settings, "energy/period")
        self.total = EnergyTotal(path)
        self.port_failures = 0
        self._readings = 0
        self._sums = [0, 0, 0]  # 0.1 V, mA, 0.1 W

    @property
    def healthy(self):
        """Whether the meter replies."""
        return self._health.healthy

    async def run(self, check_in):
        """Ask the meter every second; less often while it does not reply."""
        misses = 0
        while True:
            check_in()
            try:
                reply = await self._read()
            except OSError:
                reply = None  # as good as silence
                self.port_failures += 1
            wait = _PACE_MS
            if reply is not None:
                misses = 0
                self._health.answered()
                self._add(reply)
                if self._period.over():
                    self._flush()
            else:
                misses += 1
                if misses >= _MISSES:
                    self._flush()
                    self._period.restart()  # what comes is of the time from here on
                    wait = self._health.lost()
            await pause(wait, check_in)

    async def _read(self):
        """One reading, or None when there is no sound reply in 300 ms."""
        self._meter.ask()
        for _ in range(_REPLY_MS // _POLL_MS):
            await asyncio.sleep_ms(_POLL_MS)
            reply = self._meter.poll()
            if reply is not None:
                return reply
        return None

    def _add(self, reply):
        voltage, current, power, counter = reply
        self.total.update(counter, self._clock.uptime())
        # A shunt wired the other way round shows the power with the other sign.
        for index, value in enumerate((voltage, current, abs(power))):
            self._sums[index] += value
        self._readings += 1

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

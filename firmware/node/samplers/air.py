"""Particulate matter: means over the air period, from a sensor that sends about once a second."""

import asyncio
import time

from protocol import records

from ..drivers.pms5003 import Pms5003
from .health import Health
from .pause import pause
from .period import Period

_POLL_MS = 100
_WARM_MS = 30000  # machine time after waking until fan and laser have settled
_SILENT_MS = 5000  # five frames missed
_BETWEEN_MS = 60  # between two commands; the manual asks for 50


class Means:
    """Sums of one period: mean, least and greatest, in integers."""

    def __init__(self):
        self.clear()

    def clear(self):
        """Begin anew."""
        self.count = 0
        self._sums = [0, 0, 0]
        self._least = 0
        self._greatest = 0

    def add(self, values):
        """Add one sample of (pm1, pm25, pm10) in ug/m3."""
        for index in range(3):
            self._sums[index] += values[index]
        pm25 = values[1]
        self._least = pm25 if not self.count else min(self._least, pm25)
        self._greatest = max(self._greatest, pm25)
        self.count += 1

    def values(self):
        """(count, pm1, pm25, pm10, pm25_min, pm25_max) in 0.1 ug/m3, as a record has them.

        Raises ValueError when there is no sample: there is no mean of nothing.
        """
        if not self.count:
            raise ValueError("means: expected at least one sample")
        half = self.count // 2
        means = [(total * 10 + half) // self.count for total in self._sums]
        return (self.count,) + tuple(means) + (self._least * 10, self._greatest * 10)


class AirSampler:
    """The task of the particulate sensor on `uart`.

    Samples of the first 30 s (machine time) after the sensor started are thrown away. A period in
    which it said nothing has no record. A period shorter than its pace of one sample a second waits
    for one, and its record says how long it was.
    """

    def __init__(self, uart, clock, log, settings):
        self._sensor = Pms5003(uart)
        self._log = log
        self._health = Health(records.AIR, log)
        self._period = Period(clock, settings, "air/period")
        self._means = Means()
        self.port_failures = 0

    @property
    def healthy(self):
        """Whether the sensor sends sound frames."""
        return self._health.healthy

    async def run(self, check_in):
        """Wake the sensor, sample it, wake it again whenever it falls silent."""
        while True:
            try:
                await self._sample(check_in)
            except OSError:
                self.port_failures += 1  # as good as silence
            self._sensor.parser.clear()
            self._flush()
            await pause(self._health.lost(), check_in)

    async def _sample(self, check_in):
        """Sample from a fresh start until it has been silent too long."""
        self._sensor.wake()
        await pause(_BETWEEN_MS, check_in)
        self._sensor.active()
        began = heard = time.ticks_ms()
        warm = False
        while time.ticks_diff(time.ticks_ms(), heard) < _SILENT_MS:
            check_in()
            frames = self._sensor.poll()
            now = time.ticks_ms()
            if frames:
                heard = now
                self._health.answered()
            if not warm and time.ticks_diff(now, began) >= _WARM_MS:
                warm = True
                self._period.restart()
            elif warm:
                for frame in frames:
                    self._means.add(frame)
                if self._period.over():
                    self._flush()
            await asyncio.sleep_ms(_POLL_MS)

    def _flush(self):
        """Write the record of the samples there are: a shorter period is better than none."""
        if self._means.count:
            values = self._means.values()
            self._means.clear()
            self._log.append(records.AIR, self._period.restart(), *values)

"""Takes the meter's readings to the lamp's faults, while they can be held against its light."""

import time

from .faults import Faults

# Readings come every second or two; after a gap what was about to be decided is not certain.
_GAP_MS = 10_000
_FIELDS = ("lamp/rated_power", "lamp/standby_power", "lamp/power_tolerance", "lamp/fault_delay")


class Monitor:
    """Holds the readings of the meter in front of one lamp against what the lamp should draw.

    lamp: `.level` percent, `.light` 0..65535, `.settled` and `.failed`. clock: `uptime()` street s.
    settings: `.values`, replaced as a whole when it changes. tell: see `Faults`.
    """

    def __init__(self, lamp, clock, settings, tell):
        self._lamp = lamp
        self._clock = clock
        self._settings = settings
        self._values = None
        self._last = None  # ticks
        self.faults = Faults(tell)

    def sample(self, power, voltage, current=0):
        """A fresh reading: power in 0.1 W, voltage in 0.1 V, current in mA.

        It says nothing while the light changes, blinks, or has only just changed.
        """
        now = time.ticks_ms()
        last = self._last
        self._last = now
        if last is not None and not 0 <= time.ticks_diff(now, last) <= _GAP_MS:
            self.faults.forget()
        lamp = self._lamp
        if not lamp.settled:
            return
        values = self._settings.values
        if values is not self._values:
            self._values = values
            self.faults.configure(*[values[name] for name in _FIELDS])
        now = self._clock.uptime()
        self.faults.sample(now, lamp.level, lamp.light, abs(power), voltage, lamp.failed)

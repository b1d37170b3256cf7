"""The photocell: whether it is dark, from the lux that a light sensor on the ADC gives.

Dark and light have hysteresis and a delay (TALQ's PhotocellFunction: dark below onLevel, light
above offLevel), so that neither a passing headlight nor a hovering cloud switches a lamp. A cell
that gives no reading knows nothing, and says so; what it says against the Sun `schedule` notices.

A cell that is lit by its own lamp would take it for the day and put it out, for ever in turns. So
what the lamp adds is measured each time it comes on or goes out, within moments in which the day
does not change, and is taken off. It is taken for at most five times off_lux: the day is brighter,
and is always seen.
"""

import asyncio

from protocol import records

from ..samplers.health import Health
from ..samplers.pause import pause

_EVERY_MS = 5000
# Street seconds without a reading after which the cell knows nothing.
_LOST_S = 60
# A switch takes at most a minute's ramp; in so many seconds the day's light hardly changes.
_SWITCH_S = 120
_OWN_MOST = 5
# The sum of readings over a half wave of the mains, in whose time lamps flicker.
_READINGS = 10
_BRIGHTEST = 200_000


class Photocell:
    """Decides on dark or light.

    settings: `.values`, of which photocell/on_lux, off_lux and delay.

    Attributes:
        dark: True, False, or None while it is not known.
        changed_at: Unix time since when; 0 when the clock was not set then.
        lux: the last reading less the lamp's own light, None without one.
        own: lux that its own lamp adds at full light.
    """

    def __init__(self, settings):
        self._settings = settings
        self.dark = None
        self.changed_at = 0
        self.lux = None
        self.own = 0
        self._heard = None  # uptime of the last reading
        self._leaning = None  # what readings say that is not decided yet
        self._since = 0  # uptime, since when they do
        self._level = None  # of the lamp, at the last reading
        self._seen = 0  # lux as measured then
        # The reading before the lamp went on or out: lux, level, uptime; None when that is settled.
        self._before = None

    def step(self, lux, now_s, unix_s=0, level=0):
        """Take a reading of `lux`, None for none, at uptime `now_s`; call it every few seconds.

        unix_s: the time, 0 while not known. level: the lamp's dimming level now, in percent.
        """
        values = self._settings.values
        on = values["photocell/on_lux"]
        off = max(on + 1, values["photocell/off_lux"])
        if lux is None:
            self._miss(now_s, unix_s)
            return
        self._heard = now_s
        self._measure_own(lux, level, now_s, off)
        self.lux = max(0, lux - self.own * level // 100)
        leaning = self.dark
        if self.lux < on:
            leaning = True
        elif self.lux > off:
            leaning = False
        elif leaning is None:
            leaning = True  # between the two nobody knows: lit is the safer
        if leaning != self._leaning:
            self._leaning = leaning
            self._since = now_s
        if leaning != self.dark and now_s - self._since >= values["photocell/delay"]:
            self.dark = leaning
            self.changed_at = unix_s

    def _miss(self, now_s, unix_s):
        if self._heard is None or now_s - self._heard >= _LOST_S:
            if self.dark is not None:
                self.dark = None
                self.changed_at = unix_s
            self.lux = None
            self._leaning = None
            self._before = None
            self._level = None

    def _measure_own(self, lux, level, now_s, off):
        """Learn what the lamp adds, from before it went on or out to when it is steady again."""
        was = self._level
        if was is not None and level != was and (level == 0 or was == 0) and self._before is None:
            self._before = (self._seen, was, now_s)
        if self._before is not None and level == was:
            before, from_level, began = self._before
            self._before = None
            if level != from_level and now_s - began <= _SWITCH_S:
                own = (lux - before) * 100 // (level - from_level)
                self.own = max(0, min(_OWN_MOST * off, own))
        self._level = level
        self._seen = lux


def lux_of(microvolts, curve):
    """The illuminance in whole lux for a sensor's output, None beyond what it can give.

    curve: (mV a decade, lux a volt, highest mV). With mV a decade the output is logarithmic: so
    much for each tenfold light, from 1 lux at 0 V; above the highest the sensor or its wire is
    broken. With 0 there it is proportional to light, and at its highest by day.
    """
    decade, lux_volt, highest = curve
    if microvolts < 0:
        return None
    if not decade:
        return min(_BRIGHTEST, microvolts // 1000 * lux_volt // 1000)
    if microvolts > highest * 1000:
        return None
    return min(_BRIGHTEST, int(10 ** (microvolts / (1000 * decade))))


class PhotocellReader:
    """The task that reads the sensor and lets a `Photocell` decide.

    adc: a `machine.ADC`. curve: its sensor's, as for `lux_of`. clock: `now()` and `uptime()`. lamp:
    `.level`. log: `append(kind, ...)`.
    """

    def __init__(self, adc, curve, photocell, clock, lamp, log):
        self._adc = adc
        self._curve = curve
        self._photocell = photocell
        self._clock = clock
        self._lamp = lamp
        self._health = Health(records.LAMP, log)

    async def run(self, check_in):
        """Read every 5 s. A sensor that gives no sound reading is told to the log, once."""
        while True:
            lux = await self._read()
            if lux is None:
                self._health.lost()
            else:
                self._health.answered()
            clock = self._clock
            self._photocell.step(lux, clock.uptime(), clock.now(), self._lamp.level)
            await pause(_EVERY_MS, check_in)

    async def _read(self):
        total = 0
        try:
            for _ in range(_READINGS):
                total += self._adc.read_uv()
                await asyncio.sleep_ms(1)
        except OSError:
            return None
        return lux_of(total // _READINGS, self._curve)

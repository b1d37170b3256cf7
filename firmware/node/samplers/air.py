"""Particulate matter: means over the air period, raw and corrected."""

from protocol import records

from .parttask import PartTask

NO_CORRECTION = 0
EPA = 1
KAPPA_KOEHLER = 2

_DAMPEST = 9500  # 0.01 %: above, kappa-Koehler goes through the roof
_LITTLE = 30  # 0.1 ug/m3: air so clean that a part in whole ug/m3 may say the same for long
# A fan that has just begun to turn lets a sample fall to a quarter of the one before.
_FALL = 4
_MUCH = 80  # 0.1 ug/m3
_GAP_MS = 3500


def epa(cf1, humidity) -> int:
    """PM2.5 in 0.1 ug/m3 by EPA's US-wide correction: 0.524 CF1 - 0.0862 RH + 5.75, at least 0.

    cf1: 0.1 ug/m3 for standard particles, which is Plantower's; the model was fitted to that.
    humidity: 0.01 %. Source: Barkjohn et al., Atmos. Meas. Tech. 14, 4617 (2021).
    """
    return max(0, (52400 * cf1 - 862 * humidity + 5_750_000 + 50_000) // 100_000)


def kappa_koehler(pm, humidity, kappa) -> int:
    """Dry PM in 0.1 ug/m3: PM / (1 + (kappa / 1.65) / (1 / aw - 1)), with aw = RH up to 95 %.

    pm: 0.1 ug/m3. humidity: 0.01 %. kappa: 0.001. Source: Crilley et al., Atmos. Meas. Tech. 11,
    709 (2018); 1.65 g/cm3 is the density of dry particles.
    """
    water = min(max(humidity, 0), _DAMPEST)
    dry = 1650 * (10000 - water)
    wet = dry + kappa * water
    return (pm * dry + wet // 2) // wet


class AirSampler(PartTask):
    """The task of a particulate sensor: see `PartTask`, and `drivers.part` for `part`.

    conditions: humidity for the correction (see `conditions`).

    The part may rest: measured is then one air/period, with air/rest between the periods, fan and
    laser off. Each turn costs its 30 s of settling, so the share of the time they run is
    (30 + period) / (30 + period + rest), and life grows by its inverse. With periods of 60 s and
    rests of 810 s that is a tenth: an SDS011's laser of 8000 h lasts nine years instead of one, a
    PMS5003's of about three years outlives its fan; 0.05 W on average instead of 0.5 W, 3.9 kWh a
    year less.
    """

    EXTREME = 1
    RESTS = True

    def __init__(self, part, clock, log, settings, conditions=None):
        super().__init__(part, records.AIR, clock, log, settings)
        self._conditions = conditions
        self._before = 0  # PM2.5 of the sample before

    def still_ms(self):
        """See `PartTask`."""
        still = super().still_ms()
        return 6 * still if max(self.part.values) <= _LITTLE else still

    def restarted(self, gap):
        """See `PartTask`: its frames stopped for long, or what they say fell to next to nothing."""
        before = self._before
        self._before = self.part.values[1]
        return gap > _GAP_MS or (before >= _MUCH and self._before * _FALL <= before)

    def write(self, period, coverage):
        """See `PartTask`."""
        if not self.part.MEASURES_PM1:
            self.flags |= records.FLAG_NO_PM1
        pm25 = self.mean(1)
        corrected = self._corrected(pm25)
        self.log.append(
            records.AIR,
            period,
            self.count,
            coverage,
            self.mean(0),
            pm25,
            self.mean(2),
            self.least,
            self.greatest,
            corrected,
            self.flags,
        )

    def _corrected(self, pm25):
        settings = self.settings.values
        model = settings["air/correction"]
        if model == NO_CORRECTION:
            return pm25
        humidity = None if self._conditions is None else self._conditions.humidity()
        if humidity is None:
            self.flags |= records.FLAG_NO_HUMIDITY
            return pm25
        if model == EPA:
            return epa(self.mean(3), humidity)
        return kappa_koehler(pm25, humidity, settings["air/kappa"])

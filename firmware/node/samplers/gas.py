"""Nitrogen dioxide: means over the air period."""

from protocol import records

from .parttask import PartTask


class GasSampler(PartTask):
    """The task of a gas part whose one value is NO2 in 0.1 ppb: see `PartTask`.

    conditions: says whether the part knew the temperature.
    """

    def __init__(self, part, clock, log, settings, conditions):
        super().__init__(part, records.GAS, clock, log, settings)
        self._conditions = conditions

    def write(self, period, coverage):
        """See `PartTask`."""
        if self._conditions.temperature() is None:
            self.flags |= records.FLAG_NO_TEMPERATURE
        self.log.append(
            records.GAS,
            period,
            self.count,
            coverage,
            self.mean(0),
            self.least,
            self.greatest,
            self.flags,
        )

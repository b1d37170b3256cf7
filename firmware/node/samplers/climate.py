"""Temperature, humidity and pressure: means over the air period, and what is known of now."""

from protocol import records

from .parttask import PartTask


class ClimateSampler(PartTask):
    """The task of a climate part: see `PartTask`, and `drivers.part` for `part`.

    Its values are [temperature 0.01 C, humidity 0.01 %, pressure Pa, VOC index 0.1, NOx index 0.1],
    0 for what it does not measure; the indices are means already, so the newest is recorded.
    conditions: told each sample, unless the part is frozen.
    """

    def __init__(self, part, clock, log, settings, conditions):
        super().__init__(part, records.CLIMATE, clock, log, settings)
        self._conditions = conditions

    def sampled(self):
        """See `PartTask`."""
        values = self.part.values
        self._conditions.update(values[0], values[1])

    def write(self, period, coverage):
        """See `PartTask`."""
        values = self.part.values
        self.log.append(
            records.CLIMATE,
            period,
            self.count,
            self.mean(0),
            self.mean(1),
            self.mean(2),
            values[3],
            values[4],
        )

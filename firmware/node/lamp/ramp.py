"""A soft ramp along the DALI curve, in machine time."""

from . import dali


class Ramp:
    """From one arc power level to another in a given time, whatever the distance (DALI fade time).

    start, end: arc power levels 0..254. duration: ms; 0 is at once. Darkness is left and reached
    through dali.LOWEST, below which drivers flicker.
    """

    def __init__(self, start, end, duration):
        self.end = end
        self._first = start or min(dali.LOWEST, end)
        self._way = (end or min(dali.LOWEST, start)) - self._first
        self._duration = duration if start != end else 0

    def arc(self, elapsed):
        """Arc power level `elapsed` ms after its start; `end` from `duration` on."""
        if elapsed >= self._duration:
            return self.end
        return self._first + self._way * elapsed // self._duration

    def done(self, elapsed):
        """Whether the ramp is over."""
        return elapsed >= self._duration

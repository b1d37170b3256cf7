"""Who decides the dimming level: ranked wishes, the strongest one wins."""

from protocol import records

# A wish's rank is its reason code, from weakest to strongest.
DEFAULT = records.REASON_DEFAULT
PROGRAM = records.REASON_PROGRAM
SENSOR = records.REASON_SENSOR
OVERRIDE = records.REASON_OVERRIDE
FAILSAFE = records.REASON_FAILSAFE
IDENTIFY = records.REASON_IDENTIFY


class Arbiter:
    """At most one wish of each rank; a pure object that knows neither time nor lamp."""

    def __init__(self):
        # Level in percent by rank, None for no wish. With nobody asking, the lamp is full on.
        self._wishes = [None] * (IDENTIFY + 1)

    def wish(self, rank, level):
        """Put in a wish for `level` percent, or take it back with None.

        Raises ValueError for a level outside 0..100 or an unknown rank.
        """
        if not 0 <= rank < len(self._wishes):
            raise ValueError("rank: expected 0 to %d, got %r" % (len(self._wishes) - 1, rank))
        if level is not None and not 0 <= level <= 100:
            raise ValueError("level: expected 0 to 100 %%, got %r" % (level,))
        self._wishes[rank] = level

    def of(self, rank):
        """The level wished for at `rank`, or None."""
        return self._wishes[rank]

    def decide(self):
        """(level in percent, reason code) of the strongest wish; (100, DEFAULT) without any."""
        for rank in range(len(self._wishes) - 1, -1, -1):
            level = self._wishes[rank]
            if level is not None:
                return level, rank
        return 100, DEFAULT

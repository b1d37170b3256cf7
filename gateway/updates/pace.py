"""How fast chunks follow one another in a multicast, which nobody acknowledges."""

from __future__ import annotations

# A lamppost that writes its flash hears nothing beyond what its port's buffer takes. Shares of the
# time that one chunk has the line:
_FIRST = 0.06
_STEP = 0.03
_MOST = 3.0
# What the line's noise takes is not given back by going slower.
_NOISE = 0.02


class Pace:
    """The pause after each chunk, in which the line is for others.

    It costs no more than what it saves: it grows while the share of chunks that is missed, which
    are sent again, is larger than the share of time that the pause takes, and shrinks when it is
    much smaller.

    chunk_s: seconds that one chunk has the line.
    """

    def __init__(self, chunk_s: float) -> None:
        self._chunk_s = chunk_s
        self._pause = _FIRST

    @property
    def pause_s(self) -> float:
        """Seconds from the end of one chunk to the beginning of the next, at least."""
        return self._pause * self._chunk_s

    def seen(self, sent: int, missed: int) -> None:
        """Of `sent` chunks, 1 or more, a lamppost has missed `missed`."""
        share = missed / sent
        if share > self._pause + _NOISE:
            self._pause = min(_MOST, max(_STEP, 2 * self._pause))
        elif share < self._pause / 4:
            self._pause = self._pause / 2 if self._pause > _STEP else 0.0

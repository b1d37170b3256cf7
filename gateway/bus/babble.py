"""Somebody who fills the line: bytes that belong to no answer, without a pause."""

from __future__ import annotations

from typing import Final

_BITS_PER_BYTE = 10
_WINDOW_S: Final = 1.0
# Share of the line's time in stray bytes from which a window is bad, and below which it is good.
# Two lampposts that garble each other stay below the first: they are asked, and so leave pauses.
BAD_SHARE: Final = 0.3
GOOD_SHARE: Final = 0.05
# Windows in a row before it is believed, either way.
_BELIEVED_AFTER: Final = 3


class Babble:
    """Counts what is heard on a line of `baud` bit/s; times are machine seconds.

    `babbling` says whether somebody babbles, `seconds` for how long it was so in all, `stray` the
    bytes so far that belonged to nothing.
    """

    def __init__(self, baud: int) -> None:
        self._capacity = baud / _BITS_PER_BYTE
        self._window_began = 0.0
        self._heard = 0
        self._meant = 0
        self._run = 0
        self.babbling = False
        self.seconds = 0.0
        self.stray = 0

    def heard(self, count: int) -> None:
        """So many bytes came in."""
        self._heard += count

    def meant(self, count: int) -> None:
        """So many of them were an answer, or our own words heard back."""
        self._meant += count

    def look(self, now: float) -> bool:
        """Judge the time since the last look, of a second or more; whether the verdict changed."""
        if not self._window_began:
            self._window_began = now
            return False
        elapsed = now - self._window_began
        if elapsed < _WINDOW_S:
            return False
        stray = max(0, self._heard - self._meant)
        self._heard = self._meant = 0
        self._window_began = now
        self.stray += stray
        if self.babbling:
            self.seconds += elapsed
        share = stray / (self._capacity * elapsed)
        against = share < GOOD_SHARE if self.babbling else share >= BAD_SHARE
        self._run = self._run + 1 if against else 0
        if self._run < _BELIEVED_AFTER:
            return False
        self._run = 0
        self.babbling = not self.babbling
        return True

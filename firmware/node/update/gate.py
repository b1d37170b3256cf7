"""Who may begin a transfer, and how often: radio links are in reach of everybody in the street.

What is begun with a seal, at the console or on the bus is ours. A stranger's upload, which is taken
because only a signed image is ever started, takes the place of none of ours that goes on, and wears
the flash no more than once in a pause that grows.
"""

import time

_STANDS_MS = 600_000  # so long without a piece one of ours stands still, and may be replaced
_FIRST_MS = 5_000
_LONGEST_MS = 600_000


class Gate:
    """Asked by the update manager; nothing of it outlives a restart.

    certain: whoever sends the upload under way is known, by a seal or the console: nobody else's
    chunks belong to it.
    """

    def __init__(self):
        self.certain = False
        self._ours = False
        self._moved = 0  # ticks of the newest piece of the transfer under way
        self._begun = 0  # ticks of the newest stranger's
        self._pause = 0  # ms after that

    def opens(self, ours: bool, active: bool) -> bool:
        """Whether a transfer may begin now; active: one is under way."""
        if ours:
            return True
        now = time.ticks_ms()
        if active and self._ours and 0 <= time.ticks_diff(now, self._moved) < _STANDS_MS:
            return False
        return not 0 <= time.ticks_diff(now, self._begun) < self._pause

    def begun(self, ours: bool) -> None:
        """A transfer begins."""
        self.certain = False
        self._ours = ours
        self.moved()
        if not ours:
            self._begun = self._moved
            self._pause = min(max(2 * self._pause, _FIRST_MS), _LONGEST_MS)

    def moved(self) -> None:
        """A piece of it was taken."""
        self._moved = time.ticks_ms()

    def well(self) -> None:
        """It was a release: whoever sent it is no nuisance."""
        self._pause = 0

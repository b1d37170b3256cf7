"""Silence is a failure too: what to do about an adapter that hears nobody any more."""

from __future__ import annotations

from enum import Enum
from typing import Final

# After the alarm the adapter is switched off and on again each time so many silences have passed.
_REPEATS_AFTER: Final = 10


class Step(Enum):
    """What is due."""

    NOTHING = 0
    RESTART_SCAN = 1
    POWER_CYCLE = 2
    ALARM = 3


class Watchdog:
    """Goes from one step to the next for each `silence_s` without any advert, from `now` on.

    All times are machine time, s. `silent` is set from the alarm until something is heard.
    """

    def __init__(self, silence_s: float, now: float) -> None:
        self._silence = silence_s
        self._since = now
        self._taken = 0
        self.silent = False

    def heard(self, now: float) -> None:
        """An advert came, of anybody."""
        self._since = now
        self._taken = 0
        self.silent = False

    def due(self, now: float) -> tuple[Step, float]:
        """The step to take now, and in how many seconds to ask again."""
        left = self._since + self._silence - now
        if left > 0:
            return Step.NOTHING, left
        self._since = now
        self._taken += 1
        if self._taken == 1:
            return Step.RESTART_SCAN, self._silence
        if self._taken == 3:
            self.silent = True
            return Step.ALARM, self._silence
        if self._taken == 2 or self._taken % _REPEATS_AFTER == 0:
            return Step.POWER_CYCLE, self._silence
        return Step.RESTART_SCAN, self._silence

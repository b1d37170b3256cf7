"""A bus on which nobody answers any more: the adapter may be stuck, and is opened again."""

from __future__ import annotations

from typing import Final

# Requests in a row without answer, and for how long (s), before the port is suspected.
_LEAST_REQUESTS: Final = 5
_LEAST_S: Final = 5.0
# Until it is suspected again: opening helps at once or not at all, and a street without power is
# silent all day.
_AGAIN_FIRST_S: Final = 30.0
_AGAIN_MOST_S: Final = 900.0


class Silence:
    """Counts requests without answer; times are machine seconds.

    `requests` is how many in a row there were.
    """

    def __init__(self) -> None:
        self.requests = 0
        self._since = 0.0
        self._ever = False
        self._not_before = 0.0
        self._again_s = _AGAIN_FIRST_S

    def answered(self) -> None:
        """Something was understood: the adapter reads."""
        self._ever = True
        self.requests = 0
        self._not_before = 0.0
        self._again_s = _AGAIN_FIRST_S

    def unanswered(self, now: float) -> bool:
        """One more request without answer; whether the port is to be opened again now.

        Never where nobody has ever answered: there it is the wiring, or a street not built yet.
        """
        if not self.requests:
            self._since = now
        self.requests += 1
        if not self._ever or now < self._not_before:
            return False
        if self.requests < _LEAST_REQUESTS or now - self._since < _LEAST_S:
            return False
        self._not_before = now + self._again_s
        self._again_s = min(_AGAIN_MOST_S, 2 * self._again_s)
        return True

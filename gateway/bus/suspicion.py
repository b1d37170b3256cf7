"""Signs that two lampposts share an address.

They are asked together and answer together. If their answers overlap, what comes is garbled in the
reply time of that one address while the others are clean; if not, a second answer comes to a
request that was made once. Neither proves it: noise and late answers look alike. Who is suspected
is asked who it is, which does (identities.py).
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

Outcome = Literal["clean", "garbled", "silent"]

# Of the last exchanges with an address, so many garbled make it suspect,
_LOOKED_AT: Final = 8
_GARBLED: Final = 4
# unless this share of the last exchanges with the others was garbled too: then it is noise.
_OTHERS_LOOKED_AT: Final = 64
_NOISE: Final = 0.15
# Second answers, each the only one of its kind on a line that works.
_SECONDS: Final = 2
# Until an address that was looked into is suspected again, s.
_REST_S: Final = 600.0


class Suspicions:
    """Signs by address, 1..247; times are machine seconds."""

    def __init__(self) -> None:
        self._outcomes: dict[int, deque[Outcome]] = {}
        self._all: deque[tuple[int, Outcome]] = deque(maxlen=_OTHERS_LOOKED_AT)
        self._seconds: dict[int, int] = {}
        self._not_before: dict[int, float] = {}
        self._told: set[int] = set()

    def ended(self, address: int, outcome: Outcome) -> None:
        """An exchange with `address` ended."""
        self._outcomes.setdefault(address, deque(maxlen=_LOOKED_AT)).append(outcome)
        self._all.append((address, outcome))

    def second(self, address: int) -> None:
        """A second answer came from `address` to one request."""
        self._seconds[address] = self._seconds.get(address, 0) + 1

    def tell(self, address: int) -> None:
        """What was said under `address` is not what its lamppost would say."""
        self._told.add(address)

    def take(self, now: float) -> int | None:
        """An address to look into, which is then left alone for a while; None without one."""
        suspects = self._told | set(self._seconds) | set(self._outcomes)
        for address in sorted(suspects):
            if now >= self._not_before.get(address, 0.0) and self._suspect(address):
                self._not_before[address] = now + _REST_S
                self._outcomes.pop(address, None)
                self._seconds.pop(address, None)
                self._told.discard(address)
                return address
        return None

    def _suspect(self, address: int) -> bool:
        if address in self._told or self._seconds.get(address, 0) >= _SECONDS:
            return True
        mine = self._outcomes.get(address, ())
        if sum(outcome == "garbled" for outcome in mine) < _GARBLED:
            return False
        others = [outcome for other, outcome in self._all if other != address]
        garbled = sum(outcome == "garbled" for outcome in others)
        return garbled <= _NOISE * len(others)

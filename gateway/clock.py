"""Street time: what the lampposts' schedules and records are about.

Machine time (`time.monotonic`) is for link timeouts, retries and deadlines; street time is for what
is said to lampposts and people. On a real street both run alike. In a simulated one street time
runs `speed` times as fast.
"""

from __future__ import annotations

import time
from typing import Protocol

# Well after any Raspberry Pi's default clock and before any possible installation: 2025-01-01 UTC.
EARLIEST_PLAUSIBLE = 1_735_689_600


class StreetClock(Protocol):
    """Gives the street's time."""

    def now(self) -> int:
        """UTC, Unix seconds; 0 while it is not known."""
        ...


class SystemClock:
    """The operating system's clock. A Pi without network starts in the past: that is no time."""

    def now(self) -> int:
        """UTC, Unix seconds; 0 while the system's clock has not been set since power on."""
        seconds = int(time.time())
        return seconds if seconds >= EARLIEST_PLAUSIBLE else 0


class SimulatedClock:
    """A clock that showed `street_origin` (s) at wall time `real_origin` (ns)."""

    def __init__(self, real_origin: int, street_origin: float, speed: float) -> None:
        self._real_origin = real_origin
        self._street_origin = street_origin
        self._speed = speed

    def now(self) -> int:
        """Simulated UTC, Unix seconds."""
        elapsed = (time.time_ns() - self._real_origin) / 1e9
        return int(self._street_origin + elapsed * self._speed)

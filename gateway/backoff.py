"""Waiting before a retry: exponential, with full jitter.

Full jitter (a uniform draw between nothing and the bound) spreads a city's gateways out after a
broker's restart; see "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random


class FullJitter:
    """Delays drawn from [0, bound], the bound doubling from `first` to `most` seconds."""

    def __init__(
        self, first: float, most: float, draw: random.Random | random.SystemRandom | None = None
    ) -> None:
        self._first = first
        self._most = most
        self._draw = draw or random.SystemRandom()
        self._failures = 0

    def reset(self) -> None:
        """Start from the shortest delay again, after a success."""
        self._failures = 0

    def next_delay(self) -> float:
        """Seconds to wait before the next attempt."""
        # The exponent is capped so that a year of failures cannot overflow a float.
        bound = min(self._most, self._first * 2 ** min(self._failures, 30))
        self._failures += 1
        return self._draw.uniform(0, bound)

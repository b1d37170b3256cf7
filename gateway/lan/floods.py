"""Who says more than anybody asked: a lamppost that pours drowns the answers of the others."""

from __future__ import annotations

import time
from collections.abc import Callable

# A lamppost says by itself that it has come, and gone, and repeats an answer now and then.
MOST = 200
WINDOW_S = 10.0


class Floods:
    """Counts, for each lamppost, what it said unasked within WINDOW_S of machine time."""

    def __init__(self, machine_time: Callable[[], float] = time.monotonic) -> None:
        self._machine_time = machine_time
        self._said: dict[bytes, int] = {}
        self._since = 0.0

    def pours(self, node: bytes) -> bool:
        """`node` said something unasked; whether that is now one too many, which is told once."""
        now = self._machine_time()
        if now - self._since >= WINDOW_S:
            self._said.clear()
            self._since = now
        said = self._said[node] = self._said.get(node, 0) + 1
        return said == MOST + 1

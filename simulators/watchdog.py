"""The watchdog timer of a chip, which its street keeps for it."""

import asyncio
from collections.abc import Callable

_SECOND_LOOK = 0.5  # a feed may be in the socket when this process was late to look


class Watchdog:
    """Calls ``bite`` when it was not fed for ``timeout`` seconds of machine time.

    To be used within a running event loop.
    """

    def __init__(self, timeout: float, bite: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._bite = bite
        self._fed = self._loop.time()
        self._timer = self._loop.call_later(timeout, self._look, False)

    def feed(self) -> None:
        """Start its time over."""
        self._fed = self._loop.time()

    def cancel(self) -> None:
        """Stop it for good."""
        self._timer.cancel()

    def _look(self, again: bool) -> None:
        left = self._fed + self._timeout - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look, False)
        elif not again:
            self._timer = self._loop.call_later(_SECOND_LOOK, self._look, True)
        else:
            self._bite()

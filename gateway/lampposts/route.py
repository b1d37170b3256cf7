"""Which of a lamppost's links is used: the first that works, and back to a better one later."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from gateway.errors import LinkUnavailable
from gateway.lampposts.channel import Channel, LinkKind

# Failures in a row after which the next link is tried.
_MOST_FAILURES = 3
_AVOID_FIRST_S = 30.0
_AVOID_MOST_S = 900.0


class Route:
    """The ways to one lamppost, best first: `channels` has at least one.

    `machine_time` gives seconds that only ever grow.

    answered_by: the link over which the lamppost answered last, None before it has.
    """

    def __init__(
        self, channels: Sequence[Channel], machine_time: Callable[[], float] = time.monotonic
    ) -> None:
        if not channels:
            raise ValueError("expected at least one channel to a lamppost, got none")
        self.channels = tuple(channels)
        self._now = machine_time
        self._failures = [0] * len(channels)
        self._avoided_until = [0.0] * len(channels)
        self.answered_by: LinkKind | None = None

    @property
    def usable(self) -> bool:
        """Whether any link has a chance now."""
        return any(channel.available for channel in self.channels)

    @property
    def best(self) -> Channel:
        """The link to use, or the first where none has a chance."""
        return self.channels[self._choose() or 0]

    def current(self) -> Channel:
        """The link to use. Raises LinkUnavailable when none has a chance."""
        index = self._choose()
        if index is None:
            kinds = ", ".join(channel.kind for channel in self.channels)
            raise LinkUnavailable(f"no link to the lamppost is there at the moment: {kinds}")
        return self.channels[index]

    def answered(self, channel: Channel) -> None:
        """The lamppost answered over `channel`."""
        index = self.channels.index(channel)
        self._failures[index] = 0
        self._avoided_until[index] = 0.0
        self.answered_by = channel.kind

    def failed(self, channel: Channel) -> None:
        """No answer came over `channel`; after several in a row another is preferred for a while.

        It is tried again when that while is over; each time without answer the while doubles.
        """
        index = self.channels.index(channel)
        self._failures[index] += 1
        beyond = self._failures[index] - _MOST_FAILURES
        if beyond >= 0:
            pause = min(_AVOID_MOST_S, _AVOID_FIRST_S * 2 ** min(beyond, 10))
            self._avoided_until[index] = self._now() + pause

    def _choose(self) -> int | None:
        there = [index for index, channel in enumerate(self.channels) if channel.available]
        if not there:
            return None
        now = self._now()
        good = [index for index in there if self._avoided_until[index] <= now]
        # Where all are avoided, the one that has been left alone longest.
        return good[0] if good else min(there, key=lambda index: self._avoided_until[index])

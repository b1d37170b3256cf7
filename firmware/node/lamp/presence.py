"""Dimming by presence: lower while nobody is near, up at once for who comes.

With presence/level 0 there is no such thing, and the lamp follows its program. Else, while the
program has the lamp lit:

- nobody near: the program's level, but at most presence/idle_level;
- somebody near: presence/level, whatever the program has it dimmed to.

A lamp that the program has off stays off. Somebody counts as near for presence/hold seconds of
street time from the last time a sensor saw somebody, or for as long as a neighbour's message says.
"""

import time

# Without a word from the gateway for so long, it does not tell of neighbours either.
_SILENT_MS = 900_000


class Presence:
    """Who is near one lamp.

    level, idle, hold: the configuration's presence/level, /idle_level (percent) and /hold (s).
    """

    def __init__(self, level: int, idle: int, hold: int):
        self._level = level
        self._idle = idle
        self._hold = hold
        self._until = None  # uptime, s; None while nobody is near
        self.quiet = None  # what `wish` is with nobody near

    def seen(self, now: float, seconds: int = 0) -> None:
        """Somebody is near at uptime `now` s; for `seconds`, 0 for the configured hold."""
        until = now + (seconds or self._hold)
        if self._until is None or until > self._until:
            self._until = until

    def wish(self, base: "int | None", now: float) -> "int | None":
        """Level in percent where the program has `base`, at uptime `now` s; None for no wish."""
        if self._until is not None and now >= self._until:
            self._until = None
        if not base:
            return None
        self.quiet = idle = min(base, self._idle)
        return idle if self._until is None else max(idle, self._level)

    def adopt(self, other):
        """Go on from `other`, made of older settings: who was near still is."""
        self._until = other._until


class Neighbours:
    """Whether neighbours' messages would come, for a lamp that has no sensor of its own.

    heard: called, answers how many messages the gateway has sent so far.
    """

    def __init__(self, heard):
        self._heard = heard
        self._count = -1
        self._at = 0  # ticks, when that was heard
        self._silent = False

    def watched(self) -> bool:
        """Whether the gateway was heard in the last quarter of an hour, of machine time."""
        count = self._heard()
        now = time.ticks_ms()
        if count != self._count:
            self._count = count
            self._at = now
            self._silent = False
        elif time.ticks_diff(now, self._at) >= _SILENT_MS:
            self._silent = True
        return not self._silent

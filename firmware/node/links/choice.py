"""Which link the node goes by, and why: the first in order of preference that is not silent.

A link is proved by sealed requests alone, since anybody can send others. One that was silent for
two minutes is given up for another that is heard. A preferred one is taken back once it has been
heard for a minute on end, so that a link that comes and goes is not followed to and fro. While
none is heard the last one stays chosen: there is no better.
"""

import asyncio
import time

SILENT_MS = 120_000
STEADY_MS = 60_000
_PACE_MS = 5000

# In order of preference; a link's code (messages.LINK_CODES) is its place, counted from 1.
NAMES = ("bus", "lan", "ble")


class Choice:
    """code: of the link chosen, 0 for none yet. reason: why, for a person.

    on_choice: called with the code when it changes.
    """

    def __init__(self, on_choice=None):
        self.code = 0
        self.reason = "no link has been heard yet"
        self.on_choice = on_choice
        # Ticks when each link was last heard, and since when there was no minute between two times.
        self._heard = [None] * len(NAMES)
        self._since = [0] * len(NAMES)

    def heard(self, name, now):
        """A sealed request came over the link `name` at `now` (ticks)."""
        if name not in NAMES:
            return  # the console: somebody at the open door
        index = NAMES.index(name)
        last = self._heard[index]
        if last is None or time.ticks_diff(now, last) > STEADY_MS:
            self._since[index] = now
        self._heard[index] = now
        self.step(now)

    def heard_ago(self, name, now):
        """Seconds since the link `name` was last heard, None if never, or long ago."""
        last = self._heard[NAMES.index(name)]
        return None if last is None else time.ticks_diff(now, last) // 1000

    def step(self, now):
        """Choose again."""
        for index in range(len(NAMES)):
            last = self._heard[index]
            # Long before ticks come round, a link that was heard once would seem heard anew.
            if last is not None and time.ticks_diff(now, last) > 100 * SILENT_MS:
                self._heard[index] = None
        chosen = self.code - 1
        if chosen >= 0 and self._is_live(chosen, now):
            for index in range(chosen):
                if self._is_live(index, now) and self._is_steady(index):
                    self._choose(index, "%s is preferred and heard again" % NAMES[index])
                    break
            return
        for index in range(len(NAMES)):
            if self._is_live(index, now):
                reason = "%s is the first that is heard" % NAMES[index]
                if chosen >= 0:
                    reason = "%s was silent for %d s" % (NAMES[chosen], SILENT_MS // 1000)
                self._choose(index, reason)
                return
        if chosen >= 0:
            self.reason = "no link is heard; %s was the last" % NAMES[chosen]

    async def run(self, check_in):
        """Notice a silence."""
        while True:
            check_in()
            self.step(time.ticks_ms())
            await asyncio.sleep_ms(_PACE_MS)

    def _is_live(self, index, now):
        last = self._heard[index]
        return last is not None and time.ticks_diff(now, last) < SILENT_MS

    def _is_steady(self, index):
        return time.ticks_diff(self._heard[index], self._since[index]) >= STEADY_MS

    def _choose(self, index, reason):
        self.reason = reason
        if self.code != index + 1:
            self.code = index + 1
            if self.on_choice is not None:
                self.on_choice(self.code)

"""A pair of PIR sensors (AM312, AS312) on two pins, one looking each way along the pavement.

Each holds its output high for about 2 s after a movement and is blind for about 2 s after that:
presence, not counts. Which of the two saw somebody first is the direction they walk in.

A pair of which both are dead looks like an empty street: nothing can tell.
"""

import time

AHEAD = 1  # first A, then B
BEHIND = -1

# A line that is high for less is interference: the part holds its output for two seconds.
_DEBOUNCE_MS = 100
# High for so long without a pause is a part or a wire that hangs, not people.
_STUCK_MS = 600000
# Low again sooner, so many times in a row and one within 10 s of the other, is a loose wire.
_HOLD_MS = 1000
_CHATTER = 10
_CALM_MS = 10000
# Who passes comes by both: one that saw nobody while the other saw so many is dead.
_DEAD = 1000
# Somebody who walks by is in front of the second within this; later it is somebody else.
_PASSING_MS = 6000


class _Pir:
    """One of the pair. Times are ticks."""

    def __init__(self, pin):
        self._pin = pin
        self._raised = None  # when the line went high, None while it is low
        self._newest = 0  # when it last did
        self._short = 0  # times it did since it was last held
        self._hangs = False
        self.missed = 0  # how many the other one saw since this one did

    @property
    def broken(self):
        """Whether it hangs, chatters or is dead."""
        return self._hangs or self._short > _CHATTER or self.missed >= _DEAD

    def look(self, now):
        """Whether it sees somebody."""
        if not self._pin.value():
            self._raised = None
            self._hangs = False
            if self._short and time.ticks_diff(now, self._newest) >= _CALM_MS:
                self._short = 0
            return False
        if self._raised is None:
            self._raised = self._newest = now
            self._short += 1
        high = time.ticks_diff(now, self._raised)
        if high >= _HOLD_MS:
            self._short = 0
        # Latched: ticks wrap long before a broken part is replaced.
        self._hangs = self._hangs or not 0 <= high < _STUCK_MS
        return high >= _DEBOUNCE_MS and not self._hangs and self._short <= _CHATTER


class PirPair:
    """The two on `pin_a` and `pin_b`: pins with `value()`, 1 for movement.

    direction: AHEAD or BEHIND of who passed last, 0 while that is not known. suspect: one of them
    has not let go for ten minutes or goes up and down, and is not believed until that ends; or it
    sees nobody of all those that the other sees.
    """

    rejected = 0

    def __init__(self, pin_a, pin_b):
        self._pirs = (_Pir(pin_a), _Pir(pin_b))
        self._saw = [False, False]
        self._rose = [None, None]  # ticks of the newest beginning
        self.direction = 0

    @property
    def suspect(self):
        """Whether one of them is broken."""
        return self._pirs[0].broken or self._pirs[1].broken

    def wake(self, step):
        """Nothing has to be sent to it."""
        return False

    def poll(self, now):
        """Whether one of them sees somebody at `now` (ticks)."""
        present = False
        for index in (0, 1):
            sees = self._pirs[index].look(now)
            if sees and not self._saw[index]:
                self._begin(index, now)
            self._saw[index] = sees
            present = present or sees
        return present

    def _begin(self, index, now):
        """`index` has begun to see somebody."""
        self._pirs[index].missed = 0
        self._pirs[1 - index].missed += 1
        self._rose[index] = now
        before = self._rose[1 - index]
        self.direction = 0
        if before is not None and 0 < time.ticks_diff(now, before) <= _PASSING_MS:
            self.direction = AHEAD if index else BEHIND
            self._rose[0] = self._rose[1] = None

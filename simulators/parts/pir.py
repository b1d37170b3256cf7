"""A pair of AM312 PIR sensors, one looking back along the pavement and one ahead."""

from simulators.parts.surroundings import Clock, Surroundings

_HOLD_S = 2.0
_BLIND_S = 2.0
_REACH_MM = 6000
_CHATTER_S = 0.3


class _Pir:
    def __init__(self) -> None:
        self.high_until = 0.0
        self.blind_until = 0.0

    def look(self, moved: bool, now: float) -> bool:
        if now < self.high_until:
            if moved:  # retriggerable: the hold begins again
                self.high_until = now + _HOLD_S
                self.blind_until = self.high_until + _BLIND_S
            return True
        if now < self.blind_until or not moved:
            return False
        self.high_until = now + _HOLD_S
        self.blind_until = self.high_until + _BLIND_S
        return True


class PirPair:
    """The pair: each sees walkers who move on its side of the lamppost.

    Args:
        surroundings: who is there.
        machine: machine seconds.

    Attributes:
        absent: broken wires: both read low.
        stuck: both outputs hang high.
        dead: the one that sees nobody any more, 0 or 1; None for neither.
        chattering: a loose wire: both outputs go up and down.
    """

    def __init__(self, surroundings: Surroundings, machine: Clock) -> None:
        self._surroundings = surroundings
        self._machine = machine
        self._pirs = (_Pir(), _Pir())
        self._positions: set[float] = set()
        self.absent = False
        self.stuck = False
        self.dead: int | None = None
        self.chattering = False

    def brown_out(self) -> None:
        """Their supply dipped: low, and ready."""
        self._pirs = (_Pir(), _Pir())

    def levels(self) -> tuple[int, int]:
        """The outputs now: (A, looking back; B, looking ahead)."""
        if self.absent or self.stuck:
            level = int(self.stuck and not self.absent)
            return level, level
        now = self._machine()
        if self.chattering:
            level = int(now / _CHATTER_S) % 2
            return level, level
        positions = {walker.position_mm for walker in self._surroundings.walkers()}
        moved = positions - self._positions
        self._positions = positions
        back = self._pirs[0].look(any(-_REACH_MM <= one < 0 for one in moved), now)
        ahead = self._pirs[1].look(any(0 <= one <= _REACH_MM for one in moved), now)
        return int(back and self.dead != 0), int(ahead and self.dead != 1)

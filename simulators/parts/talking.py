"""A particulate sensor on a UART that says a measurement each second while its fan runs."""

import math
from random import Random

from simulators.parts.surroundings import Air, Clock, Surroundings

_PACE_S = 1.0
_SETTLE_S = 20.0  # data sheets promise good data 30 s after the fan started
_HELD_FRAMES = 4  # what a port's buffer holds when nobody takes it
_BABBLE_S = 0.1


class TalkingPart:
    """The sensor, awake and sending from power-up. A derived class frames what it measures.

    Args:
        surroundings: the air it draws in.
        machine: machine seconds.
        random: its noise; None for a sensor without any.
    """

    baud = 9600

    def __init__(
        self, surroundings: Surroundings, machine: Clock, random: Random | None = None
    ) -> None:
        self._surroundings = surroundings
        self._machine = machine
        self._random = random
        self._chance = Random("babble")
        self._command = bytearray()
        self._said: list[tuple[float, bytes]] = []
        self._next = math.inf
        self._babble_at = 0.0
        self._last = b""
        self.absent = False
        self.babbling = False
        self.frozen = False
        self.lying: Air | None = None
        self.brown_out()

    def brown_out(self) -> None:
        """Its supply dipped: the fan starts over, awake and active, as at power-up."""
        self._command.clear()
        self._said.clear()
        self._active = True
        self._awake = False
        self._wake(self._machine())

    @property
    def awake(self) -> bool:
        """Whether fan and laser run."""
        return self._awake

    def receive(self, data: bytes) -> None:
        """Take bytes of commands; a wrong sum is ignored, as the part does."""
        if self.absent:
            return
        for byte in data:
            self._command.append(byte)
            self._digest()

    def pending(self, now: float) -> bytes:
        """Answers and measurements whose time has come."""
        while self._next <= now:
            self._say(self._next, self._sample(self._next))
            self._next += _PACE_S
            if now - self._next > _HELD_FRAMES * _PACE_S:
                self._next = now
        due = b"".join(frame for when, frame in self._said if when <= now)
        self._said = [(when, frame) for when, frame in self._said if when > now]
        if self.absent:
            return b""
        if not self.babbling:
            return due
        if now < self._babble_at:
            return b""
        self._babble_at = now + _BABBLE_S
        return self._chance.randbytes(round(_BABBLE_S * self.baud / 10))

    def due(self) -> float:
        """Machine second of its next bytes."""
        if self.absent:
            return math.inf
        if self.babbling:
            return self._babble_at
        return min([self._next, *(when for when, _ in self._said)])

    def _digest(self) -> None:
        """Look at the command so far: drop what is none, obey what is whole."""
        raise NotImplementedError

    def _frame(self, air: Air) -> bytes:
        """A measurement on the wire."""
        raise NotImplementedError

    def _sleep(self) -> None:
        self._awake = False
        self._pace(self._machine())

    def _wake(self, now: float) -> None:
        if not self._awake:
            self._awake = True
            self._woke = now
            self.frozen = False
        self._pace(now)

    def _pace(self, now: float) -> None:
        """Send by itself while awake and active."""
        if not (self._awake and self._active):
            self._next = math.inf
        elif math.isinf(self._next):
            self._next = now + _PACE_S

    def _say(self, when: float, frame: bytes) -> None:
        on_the_line = len(frame) * 10 / self.baud
        self._said = [*self._said, (when + on_the_line, frame)][-_HELD_FRAMES:]

    def _sample(self, now: float) -> bytes:
        if not (self.frozen and self._last):
            settled = min(1.0, max(0.0, (now - self._woke) / _SETTLE_S))
            air = Air(*(self._noisy(value) * settled for value in self._surroundings.air()))
            self._last = self._frame(self.lying or air)
        return self._last

    def _noisy(self, value: float) -> float:
        """The manual's consistency is 10 %; one sensor's jitter from second to second is less."""
        if self._random is None:
            return max(0.0, value)
        return max(0.0, self._random.gauss(value, 0.2 + 0.02 * value))

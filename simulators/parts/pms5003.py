"""Plantower PMS5003: a laser particle counter that speaks on its own about once a second.

Its bytes are those of the PMS5003 series data manual (appendices A and B).
"""

import math
import struct
from random import Random

from simulators.parts.surroundings import Air, Clock, Surroundings

_START = b"\x42\x4d"
_COMMAND_SIZE = 7
_MODE = 0xE1
_READ = 0xE2
_SLEEP = 0xE4
_ANSWERED = (_MODE, _SLEEP)

_PACE_S = 1.0
_SETTLE_S = 20.0  # the manual promises good data 30 s after the fan started
_VERSION = 0x97
_HELD_FRAMES = 4  # what a port's buffer holds when nobody takes it

# Particles above each size in 0.1 l of air for 1 ug/m3 of PM2.5: the proportions of the frames that
# real sensors sent in a city street.
_COUNTS_PER_UG = (150.0, 42.0, 7.0, 0.9, 0.3, 0.1)


class Pms5003:
    """The sensor, active and awake from power-up.

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
        self._command = bytearray()
        self._said: list[tuple[float, bytes]] = []
        self._next = math.inf
        self.absent = False
        self.brown_out()

    def brown_out(self) -> None:
        """Its supply dipped: the fan starts over, awake and active, as at power-up."""
        self._command.clear()
        self._said.clear()
        self._active = True
        self._awake = False
        self._wake(self._machine())

    def receive(self, data: bytes) -> None:
        """Take bytes of commands; a wrong sum is ignored, as the part does."""
        if self.absent:
            return
        for byte in data:
            self._command.append(byte)
            while self._command and not _START.startswith(bytes(self._command[:2])):
                del self._command[0]
            if len(self._command) == _COMMAND_SIZE:
                code, argument, total = struct.unpack(">BHH", self._command[2:])
                if total == sum(self._command[:5]):
                    self._obey(code, argument)
                self._command.clear()

    def pending(self, now: float) -> bytes:
        """Answers and measurements whose time has come."""
        while self._next <= now:
            self._say(self._next, self._measurement(self._next))
            self._next += _PACE_S
            if now - self._next > _HELD_FRAMES * _PACE_S:
                self._next = now
        due = b"".join(frame for when, frame in self._said if when <= now)
        self._said = [(when, frame) for when, frame in self._said if when > now]
        return b"" if self.absent else due

    def due(self) -> float:
        """Machine second of its next bytes."""
        if self.absent:
            return math.inf
        return min([self._next, *(when for when, _ in self._said)])

    def _obey(self, code: int, argument: int) -> None:
        now = self._machine()
        if code == _SLEEP and argument == 0:
            self._awake = False
        elif code == _SLEEP:
            self._wake(now)
        elif code == _MODE:
            self._active = bool(argument)
        elif code == _READ and self._awake and not self._active:
            self._say(now, self._measurement(now))
        running = self._awake and self._active
        if not running:
            self._next = math.inf
        elif math.isinf(self._next):
            self._next = now + _PACE_S
        if code in _ANSWERED:
            self._say(now, _frame(bytes((code, argument & 0xFF))))

    def _wake(self, now: float) -> None:
        if self._awake:
            return
        self._awake = True
        self._woke = now
        self._next = now + _PACE_S if self._active else math.inf

    def _say(self, when: float, frame: bytes) -> None:
        on_the_line = len(frame) * 10 / self.baud
        self._said = [*self._said, (when + on_the_line, frame)][-_HELD_FRAMES:]

    def _measurement(self, now: float) -> bytes:
        settled = min(1.0, max(0.0, (now - self._woke) / _SETTLE_S))
        air = Air(*(self._noisy(value) * settled for value in self._surroundings.air()))
        standard = [_standard_particles(value) for value in air]
        counts = [air.pm25 * per_ug for per_ug in _COUNTS_PER_UG]
        words = [min(0xFFFF, round(value)) for value in (*standard, *air, *counts)]
        return _frame(struct.pack(">12H", *words) + bytes((_VERSION, 0)))

    def _noisy(self, value: float) -> float:
        """The manual's consistency is 10 %; one sensor's jitter from second to second is less."""
        if self._random is None:
            return max(0.0, value)
        return max(0.0, self._random.gauss(value, 0.2 + 0.02 * value))


def _standard_particles(atmospheric: float) -> float:
    """Plantower's CF = 1 value: the atmospheric one to 30 ug/m3, half as much again from 67 on."""
    if atmospheric <= 30:
        return atmospheric
    return min(1.5 * atmospheric, 30 + (atmospheric - 30) * 70.5 / 37)


def _frame(data: bytes) -> bytes:
    body = _START + struct.pack(">H", len(data) + 2) + data
    return body + struct.pack(">H", sum(body) & 0xFFFF)

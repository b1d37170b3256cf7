"""Hi-Link LD2410: a radar that says ten times a second whether somebody is there, and how far."""

import math
from random import Random

from simulators.parts.surroundings import Clock, Surroundings

_HEAD, _TAIL = bytes.fromhex("f4f3f2f1"), bytes.fromhex("f8f7f6f5")
_COMMAND_HEAD, _COMMAND_TAIL = bytes.fromhex("fdfcfbfa"), bytes.fromhex("04030201")
_PACE_S = 0.1
_REACH_MM = 6000
_STILL_MM = 4500  # who stands still is seen less far
_LONGEST_COMMAND = 64


class Ld2410:
    """The radar, reporting plainly from power-up.

    Args:
        surroundings: who is there.
        machine: machine seconds.
        random: of its energies; None for steady ones.

    Attributes:
        absent: a broken wire.
        babbling: it sends bytes of no meaning.
        frozen: it sends its last frame for ever.
        lying: cm at which it says somebody stands, whoever is there; None for the truth.
        engineering: it was left in its engineering mode, whose frames are of another kind.
    """

    baud = 256000

    def __init__(
        self, surroundings: Surroundings, machine: Clock, random: Random | None = None
    ) -> None:
        self._surroundings = surroundings
        self._machine = machine
        self._random = random
        self._command = bytearray()
        self._answers = b""
        self._configuring = False
        self._positions: list[float] = []
        self._last = b""
        self._next = machine() + _PACE_S
        self.absent = False
        self.babbling = False
        self.frozen = False
        self.lying: int | None = None
        self.engineering = False

    def brown_out(self) -> None:
        """Its supply dipped: it starts over, reporting plainly."""
        self._command.clear()
        self._answers = b""
        self._configuring = self.frozen = self.engineering = False

    def receive(self, data: bytes) -> None:
        """Take bytes of commands."""
        if self.absent:
            return
        self._command += data
        while True:
            at = self._command.find(_COMMAND_HEAD)
            end = self._command.find(_COMMAND_TAIL, at)
            if at < 0 or end < 0:
                del self._command[:-_LONGEST_COMMAND]
                return
            self._obey(bytes(self._command[at + 6 : end]))
            del self._command[: end + 4]

    def pending(self, now: float) -> bytes:
        """Answers, and the newest frame when it is due."""
        said, self._answers = self._answers, b""
        if now >= self._next:
            self._next = max(self._next + _PACE_S, now)
            if not self._configuring:
                said += self._report()
        return b"" if self.absent else said

    def due(self) -> float:
        """Machine second of its next bytes."""
        if self.absent:
            return math.inf
        return self._machine() if self._answers else self._next

    def _obey(self, body: bytes) -> None:
        word, value = body[:2], body[2:]
        if word == b"\xff\x00" and value == b"\x01\x00":
            self._configuring = True
            self._acknowledge(b"\xff\x01\x00\x00\x01\x00\x40\x00")
        elif self._configuring and word in (b"\x62\x00", b"\x63\x00"):
            self.engineering = word == b"\x62\x00"
            self._acknowledge(bytes((word[0], 1, 0, 0)))
        elif word == b"\xfe\x00":
            self._configuring = False
            self._acknowledge(b"\xfe\x01\x00\x00")

    def _acknowledge(self, body: bytes) -> None:
        self._answers += _COMMAND_HEAD + len(body).to_bytes(2, "little") + body + _COMMAND_TAIL

    def _report(self) -> bytes:
        if self.babbling:
            return (self._random or Random("babble")).randbytes(23)
        if not (self.frozen and self._last):
            body = self._targets()
            if self.engineering:
                gates = bytes((8, 8)) + bytes(9) + bytes(9) + b"\x00\x00"
                payload = b"\x01\xaa" + body + gates + b"\x55\x00"
            else:
                payload = b"\x02\xaa" + body + b"\x55\x00"
            self._last = _HEAD + len(payload).to_bytes(2, "little") + payload + _TAIL
        return self._last

    def _targets(self) -> bytes:
        if self.lying is not None:
            return b"\x02\x00\x00\x00" + self.lying.to_bytes(2, "little") + b"\x50\x00\x00"
        walkers = [
            walker
            for walker in self._surroundings.walkers()
            if abs(walker.position_mm) <= _REACH_MM
        ]
        positions = [walker.position_mm for walker in walkers]
        moving = [position for position in positions if position not in self._positions]
        still = [position for position in positions if abs(position) <= _STILL_MM]
        self._positions = positions
        body = bytes((bool(moving) | bool(still) << 1,))
        nearest = 0
        for found in (moving, still):
            distance = round(min((abs(one) for one in found), default=0) / 10)
            nearest = min(nearest or distance, distance)
            body += distance.to_bytes(2, "little") + bytes((self._energy() if found else 0,))
        return body + nearest.to_bytes(2, "little")

    def _energy(self) -> int:
        return 60 if self._random is None else self._random.randrange(30, 101)

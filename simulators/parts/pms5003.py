"""Plantower PMS5003 and PMS3003: laser particle counters that speak about once a second.

Their bytes are those of the series data manual (appendices A and B).
"""

import struct
from random import Random

from simulators.parts.surroundings import Air, Clock, Surroundings
from simulators.parts.talking import TalkingPart

_START = b"\x42\x4d"
_COMMAND_SIZE = 7
_MODE = 0xE1
_READ = 0xE2
_SLEEP = 0xE4
_ANSWERED = (_MODE, _SLEEP)
_VERSION = 0x97

# Particles above each size in 0.1 l of air for 1 ug/m3 of PM2.5: the proportions of the frames that
# real sensors sent in a city street.
_COUNTS_PER_UG = (150.0, 42.0, 7.0, 0.9, 0.3, 0.1)


class Pms5003(TalkingPart):
    """The sensor; see :class:`TalkingPart`.

    Args:
        surroundings, machine, random: see there.
        counts: whether it says particle counts too: a PMS3003 has other words in their place.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        machine: Clock,
        random: Random | None = None,
        counts: bool = True,
    ) -> None:
        self._counts = counts
        super().__init__(surroundings, machine, random)

    def _digest(self) -> None:
        command = self._command
        while command and not _START.startswith(bytes(command[:2])):
            del command[0]
        if len(command) == _COMMAND_SIZE:
            code, argument, total = struct.unpack(">BHH", command[2:])
            if total == sum(command[:5]):
                self._obey(code, argument)
            command.clear()

    def _obey(self, code: int, argument: int) -> None:
        now = self._machine()
        if code == _SLEEP and argument == 0:
            self._sleep()
        elif code == _SLEEP:
            self._wake(now)
        elif code == _MODE:
            self._active = bool(argument)
            self._pace(now)
        elif code == _READ and self._awake and not self._active:
            self._say(now, self._sample(now))
        if code in _ANSWERED:
            self._say(now, _framed(bytes((code, argument & 0xFF))))

    def _frame(self, air: Air) -> bytes:
        standard = [_standard_particles(value) for value in air]
        counts = [air.pm25 * per_ug for per_ug in _COUNTS_PER_UG] if self._counts else [0.0] * 2
        words = [min(0xFFFF, round(value)) for value in (*standard, *air, *counts)]
        version = bytes((_VERSION, 0)) if self._counts else b"\x00\x51"
        return _framed(struct.pack(f">{len(words)}H", *words) + version)


def _standard_particles(atmospheric: float) -> float:
    """Plantower's CF = 1 value: the atmospheric one to 30 ug/m3, half as much again from 67 on."""
    if atmospheric <= 30:
        return atmospheric
    return min(1.5 * atmospheric, 30 + (atmospheric - 30) * 70.5 / 37)


def _framed(data: bytes) -> bytes:
    body = _START + struct.pack(">H", len(data) + 2) + data
    return body + struct.pack(">H", sum(body) & 0xFFFF)

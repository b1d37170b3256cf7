"""Nova SDS011: a laser particle counter that speaks once a second.

Its bytes are those of the data sheet V1.3 and of the laser dust sensor control protocol V1.3.
"""

import struct

from simulators.parts.surroundings import Air
from simulators.parts.talking import TalkingPart

_COMMAND = b"\xaa\xb4"
_COMMAND_SIZE = 19
_TAIL = 0xAB
_REPORTING = 2
_QUERY = 4
_SLEEPING = 6
_PERIOD = 8
_ID = b"\x58\xd9"
_ANYBODY = b"\xff\xff"


class Sds011(TalkingPart):
    """The sensor; see :class:`TalkingPart`. It has no PM1.

    Attributes:
        period: minutes from one measurement to the next that it was set to, 0 for always.
    """

    period = 0

    def _digest(self) -> None:
        command = self._command
        while command and not _COMMAND.startswith(bytes(command[:2])):
            del command[0]
        if len(command) == _COMMAND_SIZE:
            sound = command[17] == sum(command[2:17]) & 0xFF and command[18] == _TAIL
            if sound and bytes(command[15:17]) in (_ANYBODY, _ID):
                self._obey(*command[2:5])
            command.clear()

    def _obey(self, number: int, sets: int, value: int) -> None:
        now = self._machine()
        if number == _QUERY:
            if self._awake:
                self._say(now, self._sample(now))
            return
        if number == _SLEEPING and sets:
            if value:
                self._wake(now)
            else:
                self._sleep()
        elif number == _REPORTING and sets:
            self._active = not value
            self._pace(now)
        elif number == _PERIOD and sets:
            self.period = value
        if number in (_REPORTING, _SLEEPING, _PERIOD):
            self._say(now, _framed(0xC5, bytes((number, sets, value, 0)) + _ID))

    def _frame(self, air: Air) -> bytes:
        words = [min(0xFFFF, round(10 * value)) for value in (air.pm25, air.pm10)]
        return _framed(0xC0, struct.pack("<2H", *words) + _ID)


def _framed(head: int, data: bytes) -> bytes:
    return bytes((0xAA, head)) + data + bytes((sum(data) & 0xFF, _TAIL))

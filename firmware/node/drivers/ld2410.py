"""Hi-Link LD2410 presence radar on a UART, 256000 baud 8N1, which sends ten frames a second.

From the LD2410 serial protocol: F4 F3 F2 F1, length 0D 00, 02 AA, state, distance of what moves u16
in cm, its energy, distance of what stands still u16, its energy, distance of detection u16, 55 00,
F8 F7 F6 F5; little endian. State bit 0: something moves, bit 1: something stands still. There is no
sum, so every field is bounded.
"""

from .frames import Frames, begins

_SIZE = 23
_HEAD = b"\xf4\xf3\xf2\xf1\x0d\x00\x02\xaa"
_TAIL = b"\x55\x00\xf8\xf7\xf6\xf5"
_MAX_CM = 1000  # eight gates of 75 cm, and what it says beyond them
_MAX_ENERGY = 100

# Who is there breathes, and the energies show it: so many frames with somebody and without any
# difference are a part that hangs. One that hangs with nobody there looks like an empty street.
_FROZEN = 6000


def _fits(held):
    size = len(held)
    if size <= 8:
        return held == _HEAD[:size]
    if size == 9:
        return held[8] <= 3
    if size == 12 or size == 15:
        return held[size - 1] <= _MAX_ENERGY
    if size == 11 or size == 14 or size == 17:
        return held[size - 2] | held[size - 1] << 8 <= _MAX_CM
    return size < 18 or held[17:] == _TAIL[: size - 17]


def parse(frame):
    """(state 0..3, moving cm, its energy, still cm, its energy, detection cm) of a frame, or None.

    None for anything but 23 bytes of which every field lies within its bounds.
    """
    if len(frame) != _SIZE or not begins(frame, _fits):
        return None
    return (
        frame[8],
        frame[9] | frame[10] << 8,
        frame[11],
        frame[12] | frame[13] << 8,
        frame[14],
        frame[15] | frame[16] << 8,
    )


def _command(body):
    return b"\xfd\xfc\xfb\xfa" + bytes((len(body), 0)) + body + b"\x04\x03\x02\x01"


class Ld2410:
    """The radar on a UART: `uart` has `any()`, `read(n)` and `write(data)` that do not wait.

    suspect: it says the same to the last digit for too long, and is not believed until it changes.
    """

    def __init__(self, uart):
        self._uart = uart
        self._frames = Frames(_SIZE, _fits)
        self._last = b""
        self._same = 0
        self.suspect = False

    @property
    def rejected(self):
        """Bytes that belong to no frame."""
        return self._frames.skipped

    def wake(self, step):
        """Send command `step` of those that make it report plainly; False once all are sent.

        It wants some time between two. One that was left in its engineering mode sends frames of
        another kind.
        """
        if step > 2:
            return False
        # Configuration on, engineering mode off, configuration off.
        body = (b"\xff\x00\x01\x00", b"\x63\x00", b"\xfe\x00")[step]
        self._uart.write(_command(body))
        return True

    def poll(self, now):
        """Whether somebody is there: True or False by the newest frame, None when none has come."""
        if not self._uart.any():
            return None
        data = self._uart.read(4 * _SIZE)
        frame = self._frames.feed(data) if data else None
        if frame is None:
            return None
        present = frame[8] != 0
        if present and frame == self._last:
            self._same += 1
        else:
            self._same = 0
            self._last = frame
        self.suspect = self._same >= _FROZEN
        return present and not self.suspect

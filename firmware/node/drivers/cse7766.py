"""Chipsea CSE7766 energy meter on a UART, 4800 baud 8E1, which sends by itself without a pause.

From the CSE7766 data sheet: 24 bytes. State, 5A, then big endian voltage coefficient u24, voltage
period u24, current coefficient u24, current period u24, power coefficient u24, power period u24,
adjustment u8, pulses u16, and the sum of bytes 2 to 22. State: 55 for all well, AA for a chip
without its factory calibration, Fx with bit 3 voltage, 2 current, 1 power period out of range and 0
coefficients damaged. With a shunt of 1 mohm and a divider of 1 Mohm to 1 kohm a coefficient divided
by its period, both in us, is V, A or W; so one pulse is the power coefficient in uJ.

A period out of range means less than can be measured: 0. The period of a small power goes on while
no pulse comes, so that power is what it is at most.
"""

from .frames import Frames, begins

_SIZE = 24
WRAP = 1 << 16

_CALIBRATED = 0x55
_UNCALIBRATED = 0xAA
_FAULT = 0xF0
_NO_VOLTAGE = 8
_NO_CURRENT = 4
_NO_POWER = 2
_DAMAGED = 1

# The coefficients of a typical chip: what an uncalibrated one is read with, and what one that is
# calibrated lies near.
_VOLTAGE = 191200
_CURRENT = 16140
_POWER = 5195000


def _fits(held):
    state = held[0]
    if state != _CALIBRATED and state != _UNCALIBRATED and state < _FAULT:
        return False
    size = len(held)
    if size > 1 and held[1] != 0x5A:
        return False
    return size < _SIZE or sum(held[2:23]) & 0xFF == held[23]


def parse(frame):
    """(voltage 0.1 V, current mA, power 0.1 W, pulses 0..2^16-1, uJ per pulse) of a frame, or None.

    None for anything but 24 bytes that are a frame, and for one whose coefficients or periods make
    no sense: then the rest of it cannot be believed either.
    """
    if len(frame) != _SIZE or not begins(frame, _fits):
        return None
    state = frame[0]
    absent = 0
    if state == _UNCALIBRATED:
        volt, ampere, watt = _VOLTAGE, _CURRENT, _POWER
    else:
        absent = state & 15 if state >= _FAULT else 0
        volt, ampere, watt = _u24(frame, 2), _u24(frame, 8), _u24(frame, 14)
        if (
            absent & _DAMAGED
            or not _near(volt, _VOLTAGE)
            or not _near(ampere, _CURRENT)
            or not _near(watt, _POWER)
        ):
            return None
    voltage = _ratio(volt * 10, 0 if absent & _NO_VOLTAGE else _u24(frame, 5), absent & _NO_VOLTAGE)
    current = _ratio(
        ampere * 1000, 0 if absent & _NO_CURRENT else _u24(frame, 11), absent & _NO_CURRENT
    )
    power = _ratio(watt * 10, 0 if absent & _NO_POWER else _u24(frame, 17), absent & _NO_POWER)
    if voltage is None or current is None or power is None:
        return None
    return voltage, current, power, frame[21] << 8 | frame[22], watt


def _u24(data, at):
    return data[at] << 16 | data[at + 1] << 8 | data[at + 2]


def _near(coefficient, typical):
    """Within the 25 % that the reference and the shunt of any board may differ by."""
    return typical * 3 <= coefficient * 4 <= typical * 5


def _ratio(dividend, period, absent):
    """dividend / period, rounded; 0 when there is none to measure, None when there should be."""
    if absent:
        return 0
    return (dividend + period // 2) // period if period else None


class Cse7766:
    """The meter on a UART: `uart` has `any()` and `read(n)` that do not wait.

    wrap: pulses after which its counter begins again. unit: uJ per pulse, from the newest frame.
    """

    wrap = WRAP
    unit = _POWER
    keeps = True
    patience = 3
    rest_ms = 60000

    def __init__(self, uart):
        self._uart = uart
        self._frames = Frames(_SIZE, _fits)
        self._senseless = 0
        self._joined = 0  # bytes skipped when it began to listen

    @property
    def rejected(self):
        """What came and was no reading: bytes outside frames, frames that make no sense."""
        return self._frames.skipped + self._senseless

    def ask(self):
        """Begin to wait for a frame; what came before is too old."""
        for _ in range(4):  # as much as the port's buffer holds
            if not self._uart.any():
                break
            self._uart.read(64)
        skipped = self._joined = self._frames.skipped
        self._frames.clear()
        self._frames.skipped = skipped  # what was cut off here is no nonsense

    def poll(self):
        """The newest reading: (0.1 V, mA, 0.1 W, pulses), or None."""
        data = self._uart.read(2 * _SIZE) if self._uart.any() else None
        if not data:
            return None
        frame = self._frames.feed(data)
        if frame is None:
            return None
        if self._frames.skipped - self._joined < _SIZE:
            self._frames.skipped = self._joined  # it joined in the middle of one
        reading = parse(frame)
        if reading is None:
            self._senseless += 1
            return None
        self.unit = reading[4]
        return reading[:4]

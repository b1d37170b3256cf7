"""ADC: one request and one answer on a socket for every reading, so that each is of its moment."""

import struct

import _street
from micropython import const

_FULL_UV = const(3_100_000)  # at 11 dB; the ESP32's converter saturates there
_STEPS = const(4095)

_wire = None
_answer = bytearray(4)


def _microvolts(number):
    """What the street puts on the pin."""
    global _wire
    if _wire is None:
        _wire = _street.connect("adc0")
    _street.send(_wire, bytes((number,)))
    view = memoryview(_answer)
    while len(view):
        count = _wire.readinto(view)
        if not count:
            _street.leave(_street.EXIT_STREET_GONE)
        view = view[count:]
    return struct.unpack("<I", _answer)[0]


class ADC:
    """The converter behind a pin of ADC1, twelve bits."""

    ATTN_0DB = 0
    ATTN_2_5DB = 1
    ATTN_6DB = 2
    ATTN_11DB = 3
    WIDTH_12BIT = 12

    def __init__(self, pin, *, atten=ATTN_11DB):
        number = getattr(pin, "number", pin)
        if not 1 <= number <= 20:  # the ESP32-S3 has none elsewhere
            raise ValueError("invalid pin")
        self._number = number

    def read_uv(self):
        return self._raw() * _FULL_UV // _STEPS

    def read_u16(self):
        return self._raw() * 65535 // _STEPS

    def _raw(self):
        return min(_STEPS, _microvolts(self._number) * _STEPS // _FULL_UV)

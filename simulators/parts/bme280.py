"""Bosch BME280: temperature, humidity and pressure on I2C, measuring once when asked.

Its registers and the constants' layout are those of the data sheet; its raw readings are found by
turning the data sheet's formulas round, with the floating-point versions of them.
"""

import struct
from collections.abc import Callable
from random import Random

from simulators.parts.surroundings import Clock, NoAcknowledge, Surroundings

_ID = 0xD0
_RESET = 0xE0
_HUMIDITY_CONTROL = 0xF2
_STATUS = 0xF3
_CONTROL = 0xF4
_DATA = 0xF7
_LOW = 0x88
_HIGH = 0xE1
_CHIP = 0x60
_MEASURE_S = 0.0093
_SKIPPED = b"\x80\x00\x00\x80\x00\x00\x80\x00"

# The constants of one part: those of the data sheet of its sibling BMP280, and usual ones.
_T = (27504, 26435, -1000)
_P = (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
_H = (75, 362, 0, 324, 0, 30)


class Bme280:
    """The sensor.

    Args:
        surroundings: the air around it.
        machine: machine seconds.
        random: noise of its readings; None for none.
    """

    address = 0x76

    def __init__(
        self, surroundings: Surroundings, machine: Clock, random: Random | None = None
    ) -> None:
        self._surroundings = surroundings
        self._machine = machine
        self._random = random
        self._chance = Random("babble")
        self.absent = False
        self.babbling = False
        self.frozen = False
        self.lying = False
        self.brown_out()

    def brown_out(self) -> None:
        """Its supply dipped: registers as at power-up, asleep."""
        h1, h2, h3, h4, h5, h6 = _H
        self._registers = bytearray(256)
        low = struct.pack("<H2h", *_T) + struct.pack("<H8h", *_P) + bytes((0, h1))
        high = struct.pack("<hB", h2, h3)
        high += bytes((h4 >> 4 & 0xFF, h4 & 0x0F | (h5 & 0x0F) << 4, h5 >> 4 & 0xFF, h6 & 0xFF))
        self._registers[_LOW : _LOW + 26] = low
        self._registers[_HIGH : _HIGH + 7] = high
        self._registers[_ID] = _CHIP
        self._registers[_DATA : _DATA + 8] = _SKIPPED
        self._pointer = 0
        self._measured_at = 0.0
        self.frozen = False

    def write(self, data: bytes) -> None:
        """Set the register pointer (one byte) and write the rest from there on.

        Raises:
            NoAcknowledge: it is absent.
        """
        self._present()
        if not data:
            return
        self._pointer = data[0]
        for value in data[1:]:
            if self._pointer == _RESET and value == 0xB6:
                self.brown_out()
            elif self._pointer in (_HUMIDITY_CONTROL, _CONTROL):
                self._registers[self._pointer] = value
                if self._pointer == _CONTROL:
                    self._begin(value)
            self._pointer += 1

    def read(self, n: int) -> bytes:
        """Registers from the pointer on.

        Raises:
            NoAcknowledge: it is absent.
        """
        self._present()
        measuring = self._machine() < self._measured_at
        self._registers[_STATUS] = 8 if measuring else 0
        data = bytes(self._registers[self._pointer : self._pointer + n])
        self._pointer += n
        return self._chance.randbytes(n) if self.babbling else data.ljust(n, b"\0")

    def _begin(self, control: int) -> None:
        """Measure once; the humidity's setting counts from this write on."""
        if control & 3 not in (1, 2) or self.frozen:
            return
        self._measured_at = self._machine() + _MEASURE_S
        climate = self._surroundings.climate()
        fine = 5120 * self._noisy(200.0 if self.lying else climate.temperature, 0.01)
        data = bytearray(_SKIPPED)
        if control >> 2 & 7:
            pressure = _raw_pressure(self._noisy(climate.pressure, 2.0), fine)
            data[:3] = (pressure << 4).to_bytes(3, "big")
        if control >> 5:
            data[3:6] = (_raw_temperature(fine) << 4).to_bytes(3, "big")
        if self._registers[_HUMIDITY_CONTROL] & 7:
            data[6:] = _raw_humidity(self._noisy(climate.humidity, 0.02), fine).to_bytes(2, "big")
        self._registers[_DATA : _DATA + 8] = data

    def _noisy(self, value: float, spread: float) -> float:
        return value if self._random is None else self._random.gauss(value, spread)

    def _present(self) -> None:
        if self.absent:
            raise NoAcknowledge(f"no part at I2C address {self.address:#04x}")


def _raw_temperature(fine: float) -> int:
    t1, t2, t3 = _T

    def forward(raw: float) -> float:
        return (raw / 16384 - t1 / 1024) * t2 + (raw / 131072 - t1 / 8192) ** 2 * t3

    return _solved(forward, fine, 0xFFFFF)


def _raw_pressure(pascal: float, fine: float) -> int:
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = _P
    first = fine / 2 - 64000
    second = first * first * p6 / 32768 + first * p5 * 2
    second = second / 4 + p4 * 65536
    first = (p3 * first * first / 524288 + p2 * first) / 524288
    first = (1 + first / 32768) * p1

    def forward(raw: float) -> float:
        value = (1048576 - raw - second / 4096) * 6250 / first
        return value + (p9 * value * value / 2147483648 + value * p8 / 32768 + p7) / 16

    return _solved(lambda raw: -forward(raw), -pascal, 0xFFFFF)


def _raw_humidity(percent: float, fine: float) -> int:
    h1, h2, h3, h4, h5, h6 = _H
    base = fine - 76800

    def forward(raw: float) -> float:
        scale = 1 + h6 / 67108864 * base * (1 + h3 / 67108864 * base)
        value = (raw - (h4 * 64 + h5 / 16384 * base)) * (h2 / 65536 * scale)
        return value * (1 - h1 * value / 524288)

    return _solved(forward, min(max(percent, 0.0), 100.0), 0xFFFF)


def _solved(rising: Callable[[float], float], wanted: float, highest: int) -> int:
    """The whole number up to ``highest`` at which a rising function comes nearest to ``wanted``."""
    low, high = 0, highest
    while low < high:
        middle = (low + high) // 2
        if rising(middle + 0.5) < wanted:
            low = middle + 1
        else:
            high = middle
    return low

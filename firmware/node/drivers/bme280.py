"""Bosch BME280: temperature, humidity and pressure on I2C, 7-bit address 0x76 or 0x77.

Registers and compensation are those of the data sheet BST-BME280-DS001-24: each part carries its
own constants, and section 4.2.3 and appendix 8.2 give the formulas in integers, 32-bit for
temperature and humidity, 64-bit for pressure. It measures once when asked (forced mode) and sleeps
in between, so it warms neither itself nor the air.
"""

import asyncio
import struct

from .part import BEYOND, NOTHING, SAMPLE, Part

ADDRESS = 0x76
CHIP_ID = 0x60

_ID = 0xD0
_RESET = 0xE0
_HUMIDITY_CONTROL = 0xF2
_STATUS = 0xF3
_CONTROL = 0xF4
_CALIBRATION = 0x88
_HUMIDITY_CALIBRATION = 0xE1
_DATA = 0xF7
_MEASURING = 0x08
_FORCED = b"\x25"  # temperature and pressure once each, and begin
_MEASURE_MS = 10  # 9.3 at most for once each
# What it gives where it did not measure.
_SKIPPED = 0x80000
_SKIPPED_HUMIDITY = 0x8000


class Calibration:
    """The constants of one part.

    low: the 26 bytes from register 0x88; high: the 7 bytes from 0xE1. Raises ValueError for what no
    part has: a block of one byte over and over, as a part gives that has not started.
    """

    def __init__(self, low, high):
        if min(low[:24]) == max(low[:24]):
            raise ValueError("BME280: expected calibration, got %02x all over" % low[0])
        self.t1, self.t2, self.t3 = struct.unpack("<Hhh", low[:6])
        self.p = struct.unpack("<Hhhhhhhhh", low[6:24])
        self.h1 = low[25]
        self.h2, self.h3 = struct.unpack("<hB", high[:3])
        # Two of twelve bits share a byte; both are signed.
        self.h4 = _signed(high[3] << 4 | high[4] & 0x0F, 0x800)
        self.h5 = _signed(high[5] << 4 | high[4] >> 4, 0x800)
        self.h6 = _signed(high[6], 0x80)

    def fine(self, raw) -> int:
        """The fine temperature that the other formulas start from, of the 20-bit reading."""
        first = ((raw >> 3) - (self.t1 << 1)) * self.t2 >> 11
        second = (raw >> 4) - self.t1
        return first + ((second * second >> 12) * self.t3 >> 14)

    def temperature(self, fine) -> int:
        """Temperature in 0.01 C."""
        return fine * 5 + 128 >> 8

    def pressure(self, raw, fine) -> int:
        """Pressure in Pa, rounded, of the 20-bit reading; 0 where the formula has no answer."""
        p1, p2, p3, p4, p5, p6, p7, p8, p9 = self.p
        first = fine - 128000
        second = first * first * p6 + (first * p5 << 17) + (p4 << 35)
        first = (first * first * p3 >> 8) + (first * p2 << 12)
        first = ((1 << 47) + first) * p1 >> 33
        if first <= 0:
            return 0
        value = ((1048576 - raw << 31) - second) * 3125 // first
        value += (p9 * (value >> 13) * (value >> 13) >> 25) + (p8 * value >> 19)
        return (value >> 8) + (p7 << 4) + 128 >> 8

    def humidity(self, raw, fine) -> int:
        """Relative humidity in 0.01 %, rounded, of the 16-bit reading."""
        base = fine - 76800
        scale = (base * self.h6 >> 10) * ((base * self.h3 >> 11) + 32768) >> 10
        value = (raw << 14) - (self.h4 << 20) - self.h5 * base + 16384 >> 15
        value *= (scale + 2097152) * self.h2 + 8192 >> 14
        value -= ((value >> 15) * (value >> 15) >> 7) * self.h1 >> 4
        value = min(max(value, 0), 419430400) >> 12
        return (value * 100 + 512) >> 10


class Bme280(Part):
    """The sensor on `i2c`.

    values: [temperature 0.01 C, humidity 0.01 %, pressure Pa, 0, 0]: it knows no gas indices.
    """

    POLL_MS = 10000
    SLOWEST_MS = 15000
    SILENT_MS = 60000
    WARM_MS = 0  # it is right from its first measurement on

    def __init__(self, i2c, address=ADDRESS):
        self._i2c = i2c
        self._address = address
        self._block = bytearray(8)
        self._calibration = None
        self.values = [0, 0, 0, 0, 0]
        self.mark = 0
        self.junk = 0
        self.fault = False

    async def start(self):
        """Read the part's constants. Raises OSError when it is absent or another part."""
        self._calibration = None
        if self._read(_ID, 1)[0] != CHIP_ID:
            raise OSError(19)
        try:
            self._calibration = Calibration(
                self._read(_CALIBRATION, 26), self._read(_HUMIDITY_CALIBRATION, 7)
            )
        except ValueError:
            self.junk += 33
            raise OSError(5) from None

    async def rest(self):
        """It sleeps anyway."""

    async def reset(self):
        """Start the part anew, as at power-up."""
        self._write(_RESET, b"\xb6")
        await asyncio.sleep_ms(10)

    async def poll(self):
        """Measure once: NOTHING, SAMPLE or BEYOND. Takes 10 ms. Raises OSError.

        What it measures has no sum: its id, read each time, tells the part from noise.
        """
        self._write(_HUMIDITY_CONTROL, b"\x01")
        self._write(_CONTROL, _FORCED)
        await asyncio.sleep_ms(_MEASURE_MS)
        if self._read(_ID, 1)[0] != CHIP_ID:
            self.junk += 1
            raise OSError(5)
        if self._read(_STATUS, 1)[0] & _MEASURING:
            return NOTHING
        self._i2c.readfrom_mem_into(self._address, _DATA, self._block)
        return self._take()

    def _take(self):
        block = self._block
        pressure = block[0] << 12 | block[1] << 4 | block[2] >> 4
        temperature = block[3] << 12 | block[4] << 4 | block[5] >> 4
        humidity = block[6] << 8 | block[7]
        if (
            self._calibration is None
            or temperature == _SKIPPED
            or pressure == _SKIPPED
            or humidity == _SKIPPED_HUMIDITY
        ):
            return NOTHING  # it lost its settings on the way
        calibration = self._calibration
        self.mark = (temperature & 0xFF) << 20 ^ pressure << 6 ^ humidity
        fine = calibration.fine(temperature)
        values = self.values
        values[0] = calibration.temperature(fine)
        values[1] = calibration.humidity(humidity, fine)
        values[2] = calibration.pressure(pressure, fine)
        sane = -4000 <= values[0] <= 8500 and 30000 <= values[2] <= 110000
        return SAMPLE if sane else BEYOND

    def _read(self, register, count):
        data = bytearray(count)
        self._i2c.readfrom_mem_into(self._address, register, data)
        return data

    def _write(self, register, data):
        self._i2c.writeto_mem(self._address, register, data)


def _signed(value, sign):
    return value - 2 * sign if value & sign else value

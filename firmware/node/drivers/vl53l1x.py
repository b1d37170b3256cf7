"""ST VL53L1X time-of-flight ranging sensor on I2C, 7-bit address 0x29, 16-bit registers.

Registers and sequence are those of ST's Ultra Lite Driver (STSW-IMG009, user manual UM2510): write
the default configuration to 0x2D..0x87, range once, then two bounds for the VHV calibration. The
soft reset before that, which frees a part that hangs, is in ST's larger driver (STSW-IMG007). A
region of interest (ROI) of the 16x16 SPAD array is its centre SPAD and its size (UM2555).
"""

import asyncio
import struct
import time

ADDRESS = 0x29
MODEL_ID = 0xEACC

_SOFT_RESET = 0x0000
_VHV_TIMEOUT = 0x0008
_VHV_INIT = 0x000B
_CONFIGURATION_AT = 0x002D
_HV_MUX_CONTROL = 0x0030  # bit 4: the interrupt line is active low
_HV_STATUS = 0x0031  # bit 0: the interrupt line
_PHASECAL_TIMEOUT = 0x004B
_RANGE_TIMEOUT_A = 0x005E
_VCSEL_PERIOD_A = 0x0060
_RANGE_TIMEOUT_B = 0x0061
_VCSEL_PERIOD_B = 0x0063
_VALID_PHASE_HIGH = 0x0069
_INTERMEASUREMENT = 0x006C
_WOI_SD0 = 0x0078
_INITIAL_PHASE_SD0 = 0x007A
_ROI_CENTRE = 0x007F
_ROI_SIZE = 0x0080
_INTERRUPT_CLEAR = 0x0086
_MODE_START = 0x0087
_RESULT = 0x0089
_OSCILLATOR = 0x00DE
_SYSTEM_STATUS = 0x00E5
_IDENTIFICATION = 0x010F

# ST's VL51L1X_DEFAULT_CONFIGURATION, registers 0x2D to 0x87; but 2E and 2F say that the lines are
# pulled up to the part's supply, as ours are, and not to 1.8 V.
CONFIGURATION = (
    b"\x00\x01\x01\x01\x02\x00\x02\x08\x00\x08\x10\x01\x01\x00\x00\x00"  # 2D
    b"\x00\xff\x00\x0f\x00\x00\x00\x00\x00\x20\x0b\x00\x00\x02\x0a\x21"  # 3D
    b"\x00\x00\x05\x00\x00\x00\x00\xc8\x00\x00\x38\xff\x01\x00\x08\x00"  # 4D
    b"\x00\x01\xcc\x0f\x01\xf1\x0d\x01\x68\x00\x80\x08\xb8\x00\x00\x00"  # 5D
    b"\x00\x0f\x89\x00\x00\x00\x00\x00\x00\x00\x01\x0f\x0d\x0e\x0e\x00"  # 6D
    b"\x00\x02\xc7\xff\x9b\x00\x00\x00\x01\x00\x00"  # 7D
)

# Long distance mode, timing budget 33 ms: macro periods A and B (ULD, SetTimingBudgetInMs).
BUDGET_MS = 33
_TIMEOUTS = b"\x00\x60", b"\x00\x6e"

# Range status of ST's drivers by the device's own (register 0x89, low 5 bits); 255 = none.
_STATUS = (
    b"\xff\xff\xff\x05\x02\x04\x01\x07\x03\x00\xff\xff"
    b"\x09\x0d\xff\xff\xff\xff\x0a\x06\xff\xff\x0b\x0c"
)
VALID = 0
SIGMA_FAIL = 1  # too noisy
SIGNAL_FAIL = 2  # too little light comes back: nothing within range
WRAP_TARGET = 7  # beyond the unambiguous distance

_RESULT_SIZE = 17


def parse_result(block):
    """(status, distance mm, signal kcps, ambient kcps, SPADs) of the 17 bytes from register 0x89.

    status is VALID when the distance can be believed. Raises ValueError for another size.
    """
    if len(block) != _RESULT_SIZE:
        raise ValueError("result: expected %d bytes, got %d" % (_RESULT_SIZE, len(block)))
    raw = block[0] & 0x1F
    status = _STATUS[raw] if raw < len(_STATUS) else 255
    ambient = block[7] << 8 | block[8]
    distance = block[13] << 8 | block[14]
    signal = block[15] << 8 | block[16]
    return status, distance, signal * 8, ambient * 8, block[3]


def roi_size(width, height):
    """Value of the ROI size register for `width` x `height` SPADs, each 4..16.

    Raises ValueError outside that range.
    """
    if not 4 <= width <= 16 or not 4 <= height <= 16:
        raise ValueError("ROI: expected 4 to 16 SPADs, got %rx%r" % (width, height))
    return (height - 1) << 4 | (width - 1)


class SensorError(OSError):
    """The sensor answers, but not as a VL53L1X that works would."""


class Vl53l1x:
    """The sensor on an I2C bus.

    i2c: has `writeto_mem` and `readfrom_mem_into` with `addrsize=16`, which raise OSError when
    nobody answers. Every method may raise that OSError (SensorError is one); every wait ends.
    """

    def __init__(self, i2c, address=ADDRESS):
        self._i2c = i2c
        self._address = address
        # From the ROI's centre through the result: one read tells both.
        self._block = bytearray(_RESULT - _ROI_CENTRE + _RESULT_SIZE)
        self._one = bytearray(1)
        self._ready = 1
        self._size = 0xFF

    async def start(self, width=16, height=16):
        """Check that it is there, configure it, range once, set the ROI's size in SPADs.

        From whatever state it is in. Takes about 0.2 s. A size other than 16x16 is what tells that
        a part restarted later on. Raises SensorError for another part, or one that does not boot or
        range within its time.
        """
        self._write(_SOFT_RESET, b"\x00")
        await asyncio.sleep_ms(1)
        self._write(_SOFT_RESET, b"\x01")
        await asyncio.sleep_ms(2)  # it does not answer in the first of them
        await self._until(self._booted, 200, "does not boot")
        model = self._word(_IDENTIFICATION)
        if model != MODEL_ID:
            raise SensorError("VL53L1X: expected model %04x, got %04x" % (MODEL_ID, model))
        for at in range(len(CONFIGURATION)):
            self._write(_CONFIGURATION_AT + at, CONFIGURATION[at : at + 1])
        self._ready = 0 if self._byte(_HV_MUX_CONTROL) & 0x10 else 1
        self._write(_MODE_START, b"\x40")
        await self._until(self.ready, 1000, "does not range")
        self._write(_INTERRUPT_CLEAR, b"\x01")
        self._write(_MODE_START, b"\x00")
        self._write(_VHV_TIMEOUT, b"\x09")
        self._write(_VHV_INIT, b"\x00")
        self._set_budget()
        self._size = roi_size(width, height)
        self._write(_ROI_SIZE, bytes((self._size,)))

    async def range(self, centre):
        """Range once with the ROI around SPAD `centre`: the tuple of `parse_result`.

        Takes the timing budget, about 35 ms. Raises SensorError when no result comes in 150 ms, or
        when the sensor has forgotten its configuration (a brown-out).
        """
        self._write(_ROI_CENTRE, bytes((centre,)))
        self._write(_INTERRUPT_CLEAR, b"\x01\x40")  # and MODE_START, the register after it
        await asyncio.sleep_ms(BUDGET_MS + 2)
        await self._until(self.ready, 150, "does not range")
        self._i2c.readfrom_mem_into(self._address, _ROI_CENTRE, self._block, addrsize=16)
        self._write(_MODE_START, b"\x00")
        # A part that restarted has its power-on ROI size, and may call nothing a result.
        if self._block[0] != centre or self._block[1] != self._size:
            raise SensorError("VL53L1X: lost its configuration")
        return parse_result(self._block[_RESULT - _ROI_CENTRE :])

    def stop(self):
        """Stop ranging."""
        self._write(_MODE_START, b"\x00")

    def ready(self):
        """Whether a result waits to be read."""
        return self._byte(_HV_STATUS) & 1 == self._ready

    def _booted(self):
        return self._byte(_SYSTEM_STATUS) & 1

    def _set_budget(self):
        """Long distance mode (to 4 m), 33 ms for a range, and as long from one to the next."""
        self._write(_PHASECAL_TIMEOUT, b"\x0a")
        self._write(_VCSEL_PERIOD_A, b"\x0f")
        self._write(_VCSEL_PERIOD_B, b"\x0d")
        self._write(_VALID_PHASE_HIGH, b"\xb8")
        self._write(_WOI_SD0, b"\x0f\x0d")
        self._write(_INITIAL_PHASE_SD0, b"\x0e\x0e")
        self._write(_RANGE_TIMEOUT_A, _TIMEOUTS[0])
        self._write(_RANGE_TIMEOUT_B, _TIMEOUTS[1])
        # In ticks of the part's oscillator; 1.075 is the ULD's correction, here in integers.
        ticks = (self._word(_OSCILLATOR) & 0x3FF) * BUDGET_MS * 1075 // 1000
        self._write(_INTERMEASUREMENT, struct.pack(">I", ticks))

    async def _until(self, met, limit_ms, failure):
        """Wait until `met()`, looking every 4 ms. Raises SensorError after `limit_ms`."""
        began = time.ticks_ms()
        while not met():
            if time.ticks_diff(time.ticks_ms(), began) >= limit_ms:
                raise SensorError("VL53L1X: " + failure + " within %d ms" % limit_ms)
            await asyncio.sleep_ms(4)

    def _write(self, register, data):
        self._i2c.writeto_mem(self._address, register, data, addrsize=16)

    def _byte(self, register):
        self._i2c.readfrom_mem_into(self._address, register, self._one, addrsize=16)
        return self._one[0]

    def _word(self, register):
        high = self._byte(register)
        return high << 8 | self._byte(register + 1)

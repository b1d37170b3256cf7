"""ST VL53L1X: a time-of-flight ranging sensor that looks down on the pavement.

Registers behave as ST's Ultra Lite Driver (STSW-IMG009) expects. What it measures is computed: each
SPAD column of the region of interest sends a ray, which ends on whoever walks below or on the
pavement. The array is 16x16 behind a lens with 27 degrees of diagonal field of view; columns run
along the pavement's axis, and the lens is taken to be mounted so that columns 0..7 (ROI centre 167)
see positions below 0 and columns 8..15 (centre 231) those above. SPAD numbers are those of UM2555.
"""

import math
from collections.abc import Sequence
from random import Random

from simulators.parts.surroundings import Clock, NoAcknowledge, Surroundings, Walker

_SOFT_RESET = 0x0000
_HV_MUX_CONTROL = 0x0030
_HV_STATUS = 0x0031
_RANGE_TIMEOUT_A = 0x005E
_INTERMEASUREMENT = 0x006C
_ROI_CENTRE = 0x007F
_ROI_SIZE = 0x0080
_INTERRUPT_CLEAR = 0x0086
_MODE_START = 0x0087
_RESULT = 0x0089
_OSCILLATOR = 0x00DE
_SYSTEM_STATUS = 0x00E5
_IDENTIFICATION = 0x010F

_SIZE = 0x0200
_BOOT_S = 0.0012
_OVERHEAD_S = 0.002  # from the end of a range to its interrupt
# Timing budget by macro periods A in the long distance mode (ULD, SetTimingBudgetInMs); 0x01DB is
# that of a default configuration.
_BUDGETS = {0x001E: 20, 0x0060: 33, 0x00AD: 50, 0x01CC: 100, 0x01DB: 100, 0x02D9: 200, 0x048F: 500}

_ARRAY = 16
_HALF_FIELD = math.tan(math.radians(27 / 2)) / math.sqrt(2)  # tangent of half the field, one side
_BODY_MM = 150.0  # half of a body's depth along its way
_MIN_COLUMNS = 2  # less than that returns too little light beside the pavement's

_VALID = 9  # the device's own code; ST's drivers make it 0
_NO_SIGNAL = 4
_FARTHEST_MM = 4000.0


class Vl53l1x:
    """The sensor, ``height_mm`` above the pavement.

    Args:
        surroundings: who walks below.
        machine: machine seconds.
        random: noise of its distances; None for none.
        height_mm: 1000 to 4000.

    Attributes:
        absent: a broken wire.
        babbling: it answers with bytes of no meaning.
        frozen: it measures the same for ever, until it is reset.
        lying: the mm it measures, whatever is below; None for the truth.
    """

    address = 0x29

    def __init__(
        self,
        surroundings: Surroundings,
        machine: Clock,
        random: Random | None = None,
        height_mm: float = 3000.0,
    ) -> None:
        self._surroundings = surroundings
        self._machine = machine
        self._random = random
        self._height = height_mm
        self._chance = Random("babble")
        self.absent = False
        self.babbling = False
        self.lying: float | None = None
        self.brown_out()

    def brown_out(self) -> None:
        """Its supply dipped: registers as at power-up, not ranging."""
        self._registers = bytearray(_SIZE)
        self._registers[_HV_MUX_CONTROL] = 0x11
        self._registers[_ROI_CENTRE] = 0xC7
        self._registers[_ROI_SIZE] = 0xFF
        self._registers[_OSCILLATOR : _OSCILLATOR + 2] = (0x02D0).to_bytes(2, "big")
        self._registers[_IDENTIFICATION : _IDENTIFICATION + 3] = b"\xea\xcc\x10"
        self._pointer = 0
        self._powered = self._machine()
        self._ranged_at = math.inf  # when the range that runs ends
        self._interrupt = False
        self.frozen = False

    def write(self, data: bytes) -> None:
        """Set the register pointer (two bytes) and write the rest from there on.

        Raises:
            NoAcknowledge: it is absent.
        """
        self._present()
        if len(data) < 2:
            return
        self._pointer = int.from_bytes(data[:2], "big")
        for byte in data[2:]:
            if _HV_MUX_CONTROL - 3 <= self._pointer <= _MODE_START or self._pointer < 0x20:
                self._registers[self._pointer] = byte
            self._effect(self._pointer, byte)
            self._pointer += 1

    def read(self, n: int) -> bytes:
        """Registers from the pointer on, which moves past them.

        Raises:
            NoAcknowledge: it is absent.
        """
        self._present()
        self._advance()
        active_low = self._registers[_HV_MUX_CONTROL] >> 4 & 1
        self._registers[_HV_STATUS] = int(self._interrupt) ^ active_low
        booted = self._machine() - self._powered >= _BOOT_S
        self._registers[_SYSTEM_STATUS] = 3 if booted else 0
        data = bytes(self._registers[self._pointer : self._pointer + n])
        self._pointer += n
        return self._chance.randbytes(n) if self.babbling else data.ljust(n, b"\0")

    def _present(self) -> None:
        if self.absent:
            raise NoAcknowledge(f"no part at I2C address {self.address:#04x}")

    def _effect(self, register: int, value: int) -> None:
        if register == _SOFT_RESET and not value & 1:
            pointer = self._pointer
            self.brown_out()
            self._pointer = pointer
        elif register == _INTERRUPT_CLEAR and value & 1:
            self._advance()
            self._interrupt = False
        elif register == _MODE_START:
            self._ranged_at = self._machine() + self._budget() if value & 0x40 else math.inf

    def _budget(self) -> float:
        """Seconds one range takes; for ever without a sound configuration."""
        periods = int.from_bytes(self._registers[_RANGE_TIMEOUT_A : _RANGE_TIMEOUT_A + 2], "big")
        budget = _BUDGETS.get(periods)
        return math.inf if budget is None else budget / 1000 + _OVERHEAD_S

    def _advance(self) -> None:
        """Finish the range whose time has come and begin the next one."""
        now = self._machine()
        if now < self._ranged_at:
            return
        if not self._interrupt:
            self._measure()
            self._interrupt = True
        ticks = int.from_bytes(self._registers[_INTERMEASUREMENT : _INTERMEASUREMENT + 4], "big")
        oscillator = int.from_bytes(self._registers[_OSCILLATOR : _OSCILLATOR + 2], "big")
        between = ticks / (oscillator * 1.075) / 1000
        self._ranged_at = now + max(between, self._budget())

    def _measure(self) -> None:
        if self.frozen:
            return
        size = self._registers[_ROI_SIZE]
        columns = roi_columns(self._registers[_ROI_CENTRE], (size & 0x0F) + 1)
        rows = (size >> 4) + 1
        distance, seen = nearest(self._height, columns, self._surroundings.walkers())
        if self.lying is not None:
            distance = self.lying
        if self._random is not None:
            distance = self._random.gauss(distance, 8.0)
        valid = 0 < distance <= _FARTHEST_MM
        spads = len(columns) * rows
        signal = int(min(0xFFFF, spads * seen / len(columns) * (1000 / max(distance, 50)) ** 2 * 8))
        block = bytearray(17)
        block[0] = _VALID if valid else _NO_SIGNAL
        block[3] = min(255, spads)
        block[7:9] = (20).to_bytes(2, "big")
        block[13:15] = max(0, min(0xFFFF, round(distance))).to_bytes(2, "big")
        block[15:17] = signal.to_bytes(2, "big")
        self._registers[_RESULT : _RESULT + 17] = block


def spad_column(number: int) -> int:
    """Column 0..15 of a SPAD 0..255: 128..255 fill the upper half, 0..127 the lower, turned."""
    return (number - 128) // 8 if number >= 128 else _ARRAY - 1 - number // 8


def roi_columns(centre: int, width: int) -> Sequence[int]:
    """Columns of a region ``width`` SPADs wide around SPAD ``centre``."""
    first = spad_column(centre) - width // 2
    return [column for column in range(first, first + width) if 0 <= column < _ARRAY]


def nearest(height: float, columns: Sequence[int], walkers: Sequence[Walker]) -> tuple[float, int]:
    """(distance in mm, columns that see it) of the nearest thing that fills at least two columns.

    Light from nearer things arrives first and is stronger by the square, so it masks the pavement.
    """
    rays = sorted(_ray(height, column, walkers) for column in columns)
    first = rays[0]
    near = [ray for ray in rays if ray < first + 300]
    if len(near) < _MIN_COLUMNS:
        rest = rays[len(near) :] or rays
        near = [ray for ray in rest if ray < rest[0] + 300]
    return sum(near) / len(near), len(near)


def _ray(height: float, column: int, walkers: Sequence[Walker]) -> float:
    """Length in mm of one column's ray: to a head, somebody's side, or the ground."""
    slope = (column + 0.5 - _ARRAY / 2) / (_ARRAY / 2) * _HALF_FIELD
    depth = height
    for walker in walkers:
        top = height - walker.height_mm
        if top <= 0:
            continue
        low, high = walker.position_mm - _BODY_MM, walker.position_mm + _BODY_MM
        if low <= slope * top <= high:
            depth = min(depth, top)
            continue
        side = (low if slope > 0 else high) / slope
        if top < side < depth:
            depth = side
    return depth * math.sqrt(1 + slope * slope)

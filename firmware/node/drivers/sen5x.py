"""Sensirion SEN50, SEN54 and SEN55 on I2C, 7-bit address 0x69, at most 100 kHz.

From the data sheet (version 2, March 2022): start 0x0021, start without fan and laser 0x0037, data
ready 0x0202, read 0x03C4: eight words. PM1, PM2.5, PM4, PM10 unsigned in 0.1 ug/m3; humidity in
0.01 %, temperature in 0.005 C, VOC and NOx index in 0.1, all signed. 0xFFFF and 0x7FFF are unknown:
what a SEN50 or SEN54 does not measure, PM without the fan, NOx in the first ten seconds.
"""

from .part import BEYOND, NOTHING, SAMPLE, Part
from .sensirion import SensirionPart

_START = 0x0021
_START_WITHOUT_PM = 0x0037
_SIZE = 24
_UNKNOWN = 0x7FFF
_UNKNOWN_PM = 0xFFFF
_HIGHEST = 10000  # 0.1 ug/m3


class Sen5x(SensirionPart):
    """The sensor on `i2c`. It draws 0.35 W and is made for ten years of running.

    values: [PM1, PM2.5, PM10, PM2.5] in 0.1 ug/m3: it knows no CF = 1. climate: [temperature 0.01
    C, humidity 0.01 %, VOC index 0.1, NOx index 0.1], None where unknown. reads: samples so far.
    measures: fan and laser run.
    """

    READ = 0x03C4

    def __init__(self, i2c):
        super().__init__(i2c, _SIZE)
        self.values = [0, 0, 0, 0]
        self.climate = [None, None, None, None]
        self.reads = 0
        self.measures = False

    async def start(self):
        """Begin measuring; the first sample comes a second later."""
        self.measures = True
        await self._begin(_START)

    async def rest(self):
        """Stop fan and laser; climate and the gas indices go on, which need no fan."""
        self.measures = False
        await self._begin(_START_WITHOUT_PM)

    async def reset(self):
        """Start the part anew, as at power-up."""
        self.measures = False
        await super().reset()

    async def poll(self):
        """NOTHING, SAMPLE or BEYOND, of PM. Raises OSError."""
        if not await self.fresh():
            return NOTHING
        self.reads += 1
        climate = self.climate
        temperature = self._signed(15)
        climate[0] = None if temperature is None else temperature // 2
        climate[1] = self._signed(12)
        climate[2] = self._signed(18)
        climate[3] = self._signed(21)
        if not self.measures:
            return NOTHING
        values = self.values
        values[0] = self._unsigned(0)
        values[1] = values[3] = self._unsigned(3)
        values[2] = self._unsigned(9)
        if values[1] == _UNKNOWN_PM:
            return NOTHING  # not known yet
        return BEYOND if max(values) > _HIGHEST else SAMPLE

    def _unsigned(self, at):
        return self._block[at] << 8 | self._block[at + 1]

    def _signed(self, at):
        word = self._unsigned(at)
        if word == _UNKNOWN:
            return None
        return word - 0x10000 if word & 0x8000 else word


class Sen5xClimate(Part):
    """The climate side of a SEN5x.

    sensor: the `Sen5x`. shared: the particulate task has it measure and reads it; while that lets
    fan and laser rest, and without such a task, it is read here.

    values: [temperature 0.01 C, humidity 0.01 %, 0, VOC index 0.1, NOx index 0.1], 0 where the part
    does not measure it.
    """

    POLL_MS = 1000
    SLOWEST_MS = 2500
    SILENT_MS = 60000  # longer than the particulate task takes to bring it back

    def __init__(self, sensor, shared):
        self._sensor = sensor
        self._shared = shared
        self._reads = 0
        self.values = [0, 0, 0, 0, 0]

    @property
    def mark(self):
        """See `part`."""
        return self._sensor.mark

    @property
    def junk(self):
        """See `part`."""
        return 0 if self._shared else self._sensor.junk

    @property
    def fault(self):
        """See `part`."""
        return self._sensor.fault

    async def start(self):
        """Begin measuring, unless the particulate task does."""
        if not self._shared:
            await self._sensor.rest()

    async def rest(self):
        """It has nothing that wears out."""

    async def reset(self):
        """Start the part anew, unless it is the particulate task's."""
        if not self._shared:
            await self._sensor.reset()

    async def poll(self):
        """NOTHING, SAMPLE or BEYOND, of the climate. Raises OSError."""
        sensor = self._sensor
        if not sensor.measures:
            await sensor.poll()
        if sensor.reads == self._reads:
            return NOTHING
        self._reads = sensor.reads
        temperature, humidity, voc, nox = sensor.climate
        if temperature is None or humidity is None:
            return NOTHING  # a SEN50 does not measure them
        values = self.values
        values[0] = temperature
        values[1] = humidity
        values[3] = voc or 0
        values[4] = nox or 0
        return SAMPLE if -4000 <= temperature <= 8500 and 0 <= humidity <= 10000 else BEYOND

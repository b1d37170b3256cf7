"""Nitrogen dioxide from an electrochemical four-electrode pair, Alphasense NO2-A43F, on the ADC.

The sensor's board gives two voltages, of the working electrode (WE) and the auxiliary electrode
(AE), which is not exposed to the gas. From Alphasense's application note AAN 803, algorithm 1:

    WEc = (WEu - WEe) - nT (AEu - AEe)        NO2 = WEc / sensitivity

u is what is measured, e the electronic zero. Zeros and sensitivity are those of the one sensor, on
its calibration sheet, so they are in the configuration; nT is of the type, by temperature. The
ESP32's own converter resolves 0.8 mV, about 3 ppb: the noise of many readings makes up for some of
it, but an hour's mean is worth more than a minute's.
"""

from .part import BEYOND, NOTHING, SAMPLE, Part

# nT in tenths at -30, -20 .. 50 C, for the NO2-A43F.
_N = b"\x08\x08\x0a\x0c\x10\x12\x13\x19\x24"
_COLDEST = -3000  # 0.01 C
_STEP = 1000
_ROOM = 2000
# Below, a wire is broken (the inputs are pulled down); above, the converter is at its end.
_LOWEST_UV = 20_000
_HIGHEST_UV = 3_000_000
# Beyond any street: 2 ppm either way, in 0.1 ppb.
_MOST = 20_000
_READS = 16
_ENODEV = 19


def n_hundredths(temperature) -> int:
    """nT in hundredths at `temperature` (0.01 C), straight lines between the table's points."""
    last = len(_N) - 1
    place = min(max(temperature - _COLDEST, 0), last * _STEP)
    at = min(place // _STEP, last - 1)
    rest = place - at * _STEP
    return _N[at] * 10 + (_N[at + 1] - _N[at]) * 10 * rest // _STEP


def concentration(we_uv, ae_uv, temperature, we_zero_uv, ae_zero_uv, sensitivity) -> int:
    """NO2 in 0.1 ppb, rounded; it can be below 0 in clean air.

    we_uv, ae_uv: voltages in uV. temperature: 0.01 C. sensitivity: uV per ppb, above 0.
    """
    corrected = (we_uv - we_zero_uv) * 100 - n_hundredths(temperature) * (ae_uv - ae_zero_uv)
    return (corrected * 10 + 50 * sensitivity) // (100 * sensitivity)


class No2(Part):
    """The pair; `we` and `ae` have `read_uv()`.

    settings: `.values` with gas/we_zero, gas/ae_zero and gas/sensitivity. conditions: see
    `samplers.conditions`; without a temperature it is taken to be 20 C.

    values: [NO2 in 0.1 ppb].
    """

    POLL_MS = 1000
    WARM_MS = 600_000  # the electrodes come to rest after power-up

    def __init__(self, we, ae, settings, conditions):
        self._we = we
        self._ae = ae
        self._settings = settings
        self._conditions = conditions
        self.values = [0]
        self.mark = 0
        self.junk = 0
        self.fault = False

    async def start(self):
        """Raises OSError while the configuration has no sensitivity: what it says means nothing."""
        if not self._settings.values["gas/sensitivity"]:
            raise OSError(_ENODEV)

    async def rest(self):
        """It has nothing that rests: its bias must stay on."""

    async def reset(self):
        """There is nothing to restart."""

    async def poll(self):
        """NOTHING while a wire is broken, SAMPLE or BEYOND."""
        we = ae = 0
        for _ in range(_READS):
            we += self._we.read_uv()
            ae += self._ae.read_uv()
        self.mark = we ^ ae << 1
        we //= _READS
        ae //= _READS
        if min(we, ae) < _LOWEST_UV:
            return NOTHING
        settings = self._settings.values
        sensitivity = settings["gas/sensitivity"]
        if max(we, ae) > _HIGHEST_UV or not sensitivity:
            return BEYOND
        temperature = self._conditions.temperature()
        value = concentration(
            we,
            ae,
            _ROOM if temperature is None else temperature,
            settings["gas/we_zero"] * 100,
            settings["gas/ae_zero"] * 100,
            sensitivity,
        )
        self.values[0] = value
        return SAMPLE if -_MOST <= value <= _MOST else BEYOND

"""Which part is fitted where: the configuration says, else the board."""

from . import pins

# The first code of a field that is a part; below it 0 is the board's and 1 is none.
NONE = 1
FIRST = 2

PWM = 1
DALI = 2

PMS5003 = 2
PMS3003 = 3
SDS011 = 4
SPS30 = 5
SEN5X = 6

BME280 = 2
CLIMATE_SEN5X = 3

NO2_PAIR = 2

VL53L1X = 2

PIR_PAIR = 2
LD2410 = 3
COUNTER = 4

BL0942 = 2
CSE7766 = 3
HLW8012 = 4
BL0937 = 5

PHOTOCELL_ADC = 2


def fitted(settings, name) -> int:
    """The code in force of configuration field parts/`name`: NONE or one above, never 0.

    settings: `.values`, the effective configuration. (parts/output: PWM or DALI.)
    """
    return _code(settings.values, name)


def clash(values) -> str:
    """Why the parts that `values` (effective) choose cannot be here together; "" if they can."""
    air = _code(values, "air")
    if air == SPS30 and _code(values, "climate") == CLIMATE_SEN5X:
        return "parts/climate: the SEN5x has the I2C address of the SPS30 in parts/air"
    shared = pins.RADAR_UART is not None and pins.RADAR_UART == pins.PMS_UART
    if shared and _code(values, "presence") == LD2410 and air in (PMS5003, PMS3003, SDS011):
        return "parts/presence: the LD2410 has the UART of the sensor in parts/air"
    return ""


def _code(values, name):
    return values["parts/" + name] or pins.PARTS.get(name, NONE)

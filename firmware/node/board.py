"""The board's peripherals, made when first asked for; which pin does what stands in pins."""

import sys

import machine

from . import pins

# The light sensor's curve, see lamp.photocell.lux_of: an SFH 5711 has 10 uA for each tenfold light,
# here through 39 kOhm, to 2.1 V at its brightest.
PHOTOCELL_CURVE = (390, 0, 2400)

DIMMING_HZ = 1000
METER_BAUD = 4800
BUS_BAUD = 115200
PMS_BAUD = 9600
RADAR_BAUD = 256_000
I2C_HZ = 100_000  # SPS30 and SEN5x take no more
WATCHDOG_MS = 30_000

# A whole bus frame of 1200 bytes with its stuffing: neither a reply nor a request waits for us.
_BUS_BUFFER = 1536


class Board:
    """The peripherals. Each is made once, and again only after it could not be made."""

    def __init__(self):
        self._made = {}

    def lamp_pwm(self):
        """PWM of the dimming input, at full light from its first moment."""
        return self._once(
            "pwm",
            lambda: machine.PWM(machine.Pin(pins.LAMP_DIMMING), freq=DIMMING_HZ, duty_u16=65535),
        )

    def lamp_relay(self):
        """Pin of the lamp's relay, on from its first moment."""
        return self._once("relay", lambda: machine.Pin(pins.LAMP_RELAY, machine.Pin.OUT, value=1))

    def switch_closed(self) -> bool:
        """Whether the service switch is closed."""
        pin = self._once(
            "switch", lambda: machine.Pin(pins.SERVICE_SWITCH, machine.Pin.IN, machine.Pin.PULL_UP)
        )
        return pin.value() == 0

    def meter_uart(self, parity=None):
        """UART of the BL0942 or, with parity 0 (even), the CSE7766."""
        return self._once(
            "meter",
            lambda: machine.UART(
                pins.METER_UART,
                METER_BAUD,
                parity=parity,
                tx=pins.METER_TX,
                rx=pins.METER_RX,
                rxbuf=128,
                timeout=0,
            ),
        )

    def pulse_pins(self):
        """(CF, CF1, SEL) of the HLW8012 or BL0937."""
        return self._once(
            "pulses",
            lambda: (
                machine.Pin(pins.PULSE_CF, machine.Pin.IN),
                machine.Pin(pins.PULSE_CF1, machine.Pin.IN),
                machine.Pin(pins.PULSE_SEL, machine.Pin.OUT, value=0),
            ),
        )

    def radar_uart(self):
        """UART of the LD2410."""
        return self._once(
            "radar",
            lambda: machine.UART(
                pins.RADAR_UART,
                RADAR_BAUD,
                tx=pins.RADAR_TX,
                rx=pins.RADAR_RX,
                rxbuf=256,
                timeout=0,
            ),
        )

    def pir_pins(self):
        """(A, B) of the PIR pair; pulled down, so a broken wire is nobody."""
        return self._once(
            "pirs",
            lambda: (
                machine.Pin(pins.PIR_A, machine.Pin.IN, machine.Pin.PULL_DOWN),
                machine.Pin(pins.PIR_B, machine.Pin.IN, machine.Pin.PULL_DOWN),
            ),
        )

    def dali_line(self):
        """The DALI bus. Raises ImportError or OSError where the chip has no RMT for it."""
        from esp32 import RMT

        from .lamp.dalibus import Line

        return self._once(
            "dali",
            lambda: Line(
                RMT(
                    pin=machine.Pin(pins.DALI_TX, machine.Pin.OUT, value=0), resolution_hz=1_000_000
                ),
                machine.Pin(pins.DALI_RX, machine.Pin.IN, machine.Pin.PULL_UP),
            ),
        )

    def bus_uart(self):
        """UART of the RS-485 bus."""
        return self._once(
            "bus",
            lambda: machine.UART(
                pins.BUS_UART,
                BUS_BAUD,
                tx=pins.BUS_TX,
                rx=pins.BUS_RX,
                rxbuf=_BUS_BUFFER,
                txbuf=_BUS_BUFFER,
                timeout=0,
            ),
        )

    def pms_uart(self):
        """UART of the PMS5003, PMS3003 or SDS011."""
        return self._once(
            "pms",
            lambda: machine.UART(
                pins.PMS_UART, PMS_BAUD, tx=pins.PMS_TX, rx=pins.PMS_RX, rxbuf=256, timeout=0
            ),
        )

    def i2c(self):
        """I2C bus of the VL53L1X, SPS30 or SEN5x, and BME280."""
        return self._once(
            "i2c",
            lambda: machine.I2C(
                0, scl=machine.Pin(pins.I2C_SCL), sda=machine.Pin(pins.I2C_SDA), freq=I2C_HZ
            ),
        )

    def radio(self):
        """Bluetooth LE radio, not active yet."""
        import bluetooth

        return bluetooth.BLE()

    def photocell_adc(self):
        """ADC of the light sensor, 0 to 3.1 V."""
        return self._once(
            "photocell",
            lambda: machine.ADC(machine.Pin(pins.PHOTOCELL), atten=machine.ADC.ATTN_11DB),
        )

    def gas_adcs(self):
        """(working electrode, auxiliary electrode) of the NO2 pair, 0 to 3.1 V."""
        return self._once(
            "gas",
            lambda: (
                machine.ADC(machine.Pin(pins.GAS_WE), atten=machine.ADC.ATTN_11DB),
                machine.ADC(machine.Pin(pins.GAS_AE), atten=machine.ADC.ATTN_11DB),
            ),
        )

    def rtc(self):
        """The real-time clock."""
        return self._once("rtc", machine.RTC)

    def watchdog(self):
        """The watchdog, which cannot be stopped from here on."""
        return self._once("watchdog", lambda: machine.WDT(timeout=WATCHDOG_MS))

    def nvs(self):
        """NVS for the log's epoch and the seal's counters, None where there is none."""
        try:
            import esp32

            return self._once("nvs", lambda: esp32.NVS("node"))
        except (ImportError, OSError):
            return None  # the copies on flash have to do

    def console(self):
        """(input, output) of the console as binary streams."""
        return sys.stdin.buffer, sys.stdout.buffer

    def reset(self):
        """Start the chip again."""
        machine.reset()

    def _once(self, name, make):
        made = self._made.get(name)
        if made is None:
            try:
                made = self._made[name] = make()
            except TypeError:
                # A pin or UART that is None: the configuration asks for a part without wires.
                raise OSError("%s has no pins for %s" % (pins.BOARD, name)) from None
        return made

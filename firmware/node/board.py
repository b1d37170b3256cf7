"""The board "esp32s3-ref": which pin does what, and its peripherals, made when first asked for."""

import sys

import machine

BOARD = "esp32s3-ref"

# Pins of the ESP32-S3-WROOM-1. 0, 3, 45, 46 are strapping pins; 19, 20 are the USB console; 26 to
# 37 serve flash and PSRAM: none of these is used.
LAMP_DIMMING = 4  # PWM to the driver's dimming input; pulled up, so it is full on without us
LAMP_RELAY = 5  # feeds the lamp driver, 1 = on; normally closed, so it is on without us
SERVICE_SWITCH = 6  # to ground behind the door, 0 = closed
I2C_SDA = 8  # VL53L1X
I2C_SCL = 9  # VL53L1X
PMS_TX = 10  # to the PMS5003's RX
PMS_RX = 11  # from the PMS5003's TX
METER_TX = 15  # to the BL0942's RX, through the isolator
METER_RX = 16  # from the BL0942's TX, through the isolator
BUS_TX = 17  # to the RS-485 transceiver, which turns direction by itself
BUS_RX = 18  # from the RS-485 transceiver

# Parts fitted, by the codes of the configuration's parts/ fields; what is not here is none.
PARTS = {"output": 1, "air": 2, "people": 2, "meter": 2}

DIMMING_HZ = 1000
METER_BAUD = 4800
BUS_BAUD = 115200
PMS_BAUD = 9600
I2C_HZ = 400_000
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
            lambda: machine.PWM(machine.Pin(LAMP_DIMMING), freq=DIMMING_HZ, duty_u16=65535),
        )

    def lamp_relay(self):
        """Pin of the lamp's relay, on from its first moment."""
        return self._once("relay", lambda: machine.Pin(LAMP_RELAY, machine.Pin.OUT, value=1))

    def switch_closed(self) -> bool:
        """Whether the service switch is closed."""
        pin = self._once(
            "switch", lambda: machine.Pin(SERVICE_SWITCH, machine.Pin.IN, machine.Pin.PULL_UP)
        )
        return pin.value() == 0

    def meter_uart(self):
        """UART of the BL0942."""
        return self._once(
            "meter",
            lambda: machine.UART(0, METER_BAUD, tx=METER_TX, rx=METER_RX, rxbuf=128, timeout=0),
        )

    def bus_uart(self):
        """UART of the RS-485 bus."""
        return self._once(
            "bus",
            lambda: machine.UART(
                1, BUS_BAUD, tx=BUS_TX, rx=BUS_RX, rxbuf=_BUS_BUFFER, txbuf=_BUS_BUFFER, timeout=0
            ),
        )

    def pms_uart(self):
        """UART of the PMS5003."""
        return self._once(
            "pms",
            lambda: machine.UART(2, PMS_BAUD, tx=PMS_TX, rx=PMS_RX, rxbuf=256, timeout=0),
        )

    def i2c(self):
        """I2C bus of the VL53L1X."""
        return self._once(
            "i2c",
            lambda: machine.I2C(0, scl=machine.Pin(I2C_SCL), sda=machine.Pin(I2C_SDA), freq=I2C_HZ),
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
            made = self._made[name] = make()
        return made

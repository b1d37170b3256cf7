"""Pins, UARTs and fitted parts of the board "esp32-wroom": Minimal: ESP32 without PSRAM.

Made by `python -m hardware generate` from hardware/boards/esp32-wroom.toml; edit that.
"""

BOARD = "esp32-wroom"

STATUS_LED = 4  # status LED
BUS_TX = 18  # to the RS-485 transceiver
BUS_RX = 19  # from the RS-485 transceiver
METER_TX = 23  # to RX of the meter, through the isolator
# While nothing drives it: pulled up, full on.
LAMP_DIMMING = 25  # PWM 1 kHz to the driver's dimming input
# While nothing drives it: normally closed, lamp on, also without power.
LAMP_RELAY = 26  # relay that feeds the lamp driver, 1 = on
# While nothing drives it: pulled up, open.
SERVICE_SWITCH = 27  # switch behind the door to ground, 0 = closed
METER_RX = 34  # from TX of the meter, through the isolator
# While nothing drives it: pulled down by 100 kOhm, nobody.
PIR_A = 35  # infra-red detector on the side people come from
PHOTOCELL = 36  # light sensor
# While nothing drives it: pulled down by 100 kOhm, nobody.
PIR_B = 39  # infra-red detector on the other side

# Not wired on this board.
DALI_RX = None
DALI_TX = None
GAS_AE = None
GAS_WE = None
I2C_SCL = None
I2C_SDA = None
PMS_RX = None
PMS_TX = None
PULSE_CF = None
PULSE_CF1 = None
PULSE_SEL = None
RADAR_RX = None
RADAR_TX = None

# Numbers of the UARTs, None where there is none for it.
METER_UART = 2
BUS_UART = 1
PMS_UART = None
RADAR_UART = None

# Parts fitted, by the codes of the configuration's parts/ fields; the others are none.
PARTS = {"meter": 2, "output": 1}

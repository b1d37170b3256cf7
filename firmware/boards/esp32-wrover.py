"""Pins, UARTs and fitted parts of the board "esp32-wrover": ESP32 with PSRAM.

Made by `python -m hardware generate` from hardware/boards/esp32-wrover.toml; edit that.
"""

BOARD = "esp32-wrover"

STATUS_LED = 4  # status LED
# While nothing drives it: pulled down, bus idle.
DALI_TX = 13  # to the DALI interface, 1 = bus pulled low
DALI_RX = 14  # from the DALI interface
BUS_TX = 18  # to the RS-485 transceiver
BUS_RX = 19  # from the RS-485 transceiver
I2C_SDA = 21  # I2C data, pulled up to 3.3 V by 4.7 kOhm
I2C_SCL = 22  # I2C clock, 100 kHz
METER_TX = 23  # to RX of the meter, through the isolator
# While nothing drives it: pulled up, full on.
LAMP_DIMMING = 25  # PWM 1 kHz to the driver's dimming input
# While nothing drives it: normally closed, lamp on, also without power.
LAMP_RELAY = 26  # relay that feeds the lamp driver, 1 = on
# While nothing drives it: pulled up, open.
SERVICE_SWITCH = 27  # switch behind the door to ground, 0 = closed
GAS_WE = 32  # working electrode of the NO2 pair
GAS_AE = 33  # auxiliary electrode of the NO2 pair
METER_RX = 34  # from TX of the meter, through the isolator
# While nothing drives it: pulled down by 100 kOhm, nobody.
PIR_A = 35  # infra-red detector on the side people come from
PHOTOCELL = 36  # light sensor
# While nothing drives it: pulled down by 100 kOhm, nobody.
PIR_B = 39  # infra-red detector on the other side

# Not wired on this board.
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
PARTS = {"air": 5, "meter": 2, "output": 1, "people": 2}

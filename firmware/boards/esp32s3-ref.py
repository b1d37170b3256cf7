"""Pins, UARTs and fitted parts of the board "esp32s3-ref": Reference: ESP32-S3 with PSRAM.

Made by `python -m hardware generate` from hardware/boards/esp32s3-ref.toml; edit that.
"""

BOARD = "esp32s3-ref"

PHOTOCELL = 1  # light sensor
GAS_WE = 2  # working electrode of the NO2 pair
# While nothing drives it: pulled up, full on.
LAMP_DIMMING = 4  # PWM 1 kHz to the driver's dimming input
# While nothing drives it: normally closed, lamp on, also without power.
LAMP_RELAY = 5  # relay that feeds the lamp driver, 1 = on
# While nothing drives it: pulled up, open.
SERVICE_SWITCH = 6  # switch behind the door to ground, 0 = closed
GAS_AE = 7  # auxiliary electrode of the NO2 pair
I2C_SDA = 8  # I2C data, pulled up to 3.3 V by 4.7 kOhm
I2C_SCL = 9  # I2C clock, 100 kHz
PMS_TX = 10  # to RX of the particulate sensor
PMS_RX = 11  # from TX of the particulate sensor
# While nothing drives it: pulled down, bus idle.
DALI_TX = 12  # to the DALI interface, 1 = bus pulled low
DALI_RX = 13  # from the DALI interface
# While nothing drives it: pulled down by 100 kOhm, nobody.
PIR_A = 14  # infra-red detector on the side people come from
METER_TX = 15  # to RX of the meter, through the isolator
METER_RX = 16  # from TX of the meter, through the isolator
BUS_TX = 17  # to the RS-485 transceiver
BUS_RX = 18  # from the RS-485 transceiver
# While nothing drives it: pulled down by 100 kOhm, nobody.
PIR_B = 21  # infra-red detector on the other side
RADAR_TX = 38  # to RX of the LD2410
RADAR_RX = 39  # from TX of the LD2410
PULSE_CF = 40  # energy pulses of the meter, through the isolator
PULSE_CF1 = 41  # voltage or current pulses, through the isolator
PULSE_SEL = 42  # chooses voltage or current, through the isolator
STATUS_LED = 48  # status LED

# Numbers of the UARTs, None where there is none for it.
METER_UART = 0
BUS_UART = 1
PMS_UART = 2
RADAR_UART = 2

# Parts fitted, by the codes of the configuration's parts/ fields; the others are none.
PARTS = {"air": 2, "meter": 2, "output": 1, "people": 2}

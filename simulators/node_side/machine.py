"""``machine`` as on the ESP32, for the interpreter that runs one simulated lamppost."""

from _adc import ADC
from _chip import (
    DEEPSLEEP_RESET,
    HARD_RESET,
    PWRON_RESET,
    RTC,
    SOFT_RESET,
    WDT,
    WDT_RESET,
    disable_irq,
    enable_irq,
    freq,
    reset,
    reset_cause,
    soft_reset,
    unique_id,
)
from _edges import Counter
from _i2c import I2C, SoftI2C
from _pins import PWM, Pin
from _uart import UART
from umachine import idle

__all__ = [
    "ADC",
    "DEEPSLEEP_RESET",
    "HARD_RESET",
    "I2C",
    "PWM",
    "PWRON_RESET",
    "RTC",
    "SOFT_RESET",
    "UART",
    "WDT",
    "WDT_RESET",
    "Counter",
    "Pin",
    "SoftI2C",
    "disable_irq",
    "enable_irq",
    "freq",
    "idle",
    "reset",
    "reset_cause",
    "soft_reset",
    "unique_id",
]

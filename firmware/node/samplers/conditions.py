"""Temperature and humidity now, for the tasks whose parts need them."""

import time

# Older than this it is another weather: three of a BME280's samples missed, and some.
_VALID_MS = 60_000


class Conditions:
    """What the climate part said last; nothing where none is fitted or it is silent."""

    def __init__(self):
        self._temperature = None
        self._humidity = None
        self._at = 0

    def update(self, temperature, humidity):
        """Take a sample: 0.01 C, 0.01 %."""
        self._temperature = temperature
        self._humidity = humidity
        self._at = time.ticks_ms()

    def temperature(self):
        """In 0.01 C, or None."""
        return self._temperature if self._valid() else None

    def humidity(self):
        """In 0.01 %, or None."""
        return self._humidity if self._valid() else None

    def _valid(self):
        if self._temperature is not None:
            # Forgotten for good, as ticks come round again after some days.
            if time.ticks_diff(time.ticks_ms(), self._at) < _VALID_MS:
                return True
            self._temperature = self._humidity = None
        return False

"""RMT: pulses with exact lengths, which the street is told of as a whole."""

import _edges
import _street
from utime import sleep_us, ticks_add, ticks_diff, ticks_us


class RMT:
    """A transmitting channel. Only lengths that alternate from a first level are known here."""

    PULSE_MAX = 32767

    def __init__(
        self,
        id=-1,
        *,
        pin,
        resolution_hz=None,
        clock_div=None,
        idle_level=False,
        tx_carrier=None,
        num_symbols=48,
    ):
        self._pin = pin.number
        self._hz = resolution_hz or 80_000_000 // (clock_div or 8)
        self._ends = ticks_us()

    def write_pulses(self, duration, data=True):
        lengths = []
        for length in duration:
            if not 0 < length <= self.PULSE_MAX:
                raise ValueError("duration must be between 1 and %d" % self.PULSE_MAX)
            lengths.append(length * 1_000_000 // self._hz)
        while not self.wait_done():
            sleep_us(100)
        _edges.transmitted()
        self._ends = ticks_add(ticks_us(), sum(lengths))
        _street.control.say(b'{"rmt":[%d,%d,%s]}' % (self._pin, 1 if data else 0, str(lengths)))

    def wait_done(self, *, timeout=0):
        _street.control.listen()
        _edges.deliver()
        return ticks_diff(ticks_us(), self._ends) >= 0

    def deinit(self):
        """The channel is free again."""

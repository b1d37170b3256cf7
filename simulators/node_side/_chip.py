"""The chip itself: reset and its causes, the watchdog, the real-time clock.

Environment: LAMPLIGHTER_SIM_RESET (one of the causes below, power-on when absent),
LAMPLIGHTER_SIM_RTC (the file that stands for the RTC's own memory: it outlives a reset, and the
street removes it at a power cut).
"""

import json
import os
import time
from binascii import hexlify, unhexlify

import _street
from _street import control
from utime import ticks_diff, ticks_ms

# As the ESP32 reports them: machine.reset() and a panic are both a hard reset.
PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

_RTC_FILE = os.getenv("LAMPLIGHTER_SIM_RTC")
_CAUSE = int(os.getenv("LAMPLIGHTER_SIM_RESET") or PWRON_RESET)

_frequency = 240_000_000


def reset():
    _street.leave(_street.EXIT_RESET)


def soft_reset():
    _street.leave(_street.EXIT_SOFT_RESET)


def reset_cause():
    return _CAUSE


def unique_id():
    return unhexlify(_street.NODE)


def freq(hz=None):
    global _frequency
    if hz is None:
        return _frequency
    _frequency = hz


def disable_irq():
    return 0


def enable_irq(state):
    """Nothing interrupts the interpreter here."""


class WDT:
    """The watchdog: when it is not fed in time, the street resets the chip."""

    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError("WDT(%s) does not exist" % id)
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        self._quiet = timeout // 10  # a feed so soon after the last says nothing new
        self._fed = ticks_ms()
        control.say(b'{"wdt":%d}' % timeout)

    def feed(self):
        now = ticks_ms()
        if ticks_diff(now, self._fed) >= self._quiet:
            self._fed = now
            control.say(b'{"fed":1}')


class RTC:
    """The real-time clock and its 2 KB of memory, which survive every reset but power loss."""

    def __init__(self, id=0):
        pass

    def init(self, when):
        self.datetime(when)

    def datetime(self, when=None):
        if when is None:
            now = time.time_ns()
            year, month, day, hour, minute, second, weekday, _ = time.gmtime(now // 1_000_000_000)
            microsecond = now % 1_000_000_000 // 1000
            return (year, month, day, weekday, hour, minute, second, microsecond)
        year, month, day, _, hour, minute, second, microsecond = when
        seconds = time.mktime((year, month, day, hour, minute, second, 0, 0))
        time._set_offset((seconds * 1_000_000 + microsecond) * 1000 - time.street_ns())
        _keep()
        return None

    def memory(self, data=None):
        global _memory
        if data is None:
            return _memory
        if len(data) > 2048:
            raise ValueError("buffer too long")
        _memory = bytes(data)
        _keep()
        return None


_memory = b""


def _keep():
    if _RTC_FILE:
        with open(_RTC_FILE + ".new", "w") as file:
            json.dump({"offset": time._offset, "memory": hexlify(_memory).decode()}, file)
        os.rename(_RTC_FILE + ".new", _RTC_FILE)


def _power_up():
    global _memory
    try:
        with open(_RTC_FILE or "") as file:
            kept = json.load(file)
    except OSError:  # no such file: the power was gone
        time._set_offset(time._power_up_offset())
        _keep()
    else:
        time._set_offset(kept["offset"])
        _memory = unhexlify(kept["memory"])


_power_up()

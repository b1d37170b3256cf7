"""Edges on input pins: interrupts, each handled as if at its time, and pulse counters.

An interpreter on a PC is not interrupted. So edges wait here until the chip's code next looks at a
pin or at its transmitter, and the handler of each is then called with ``time.ticks_us`` as it was.
"""

import time

import _street
from utime import ticks_add, ticks_diff, ticks_us

_handlers = {}  # pin number: (handler, pin, trigger)
_waiting = []  # (ticks of an edge, pin number), by time

_began = ticks_us()  # of the transmission that edges are told in relation to


def handle(number, handler, pin, trigger):
    """Call `handler(pin)` at the edges of a pin; None for no more."""
    if handler is None:
        _handlers.pop(number, None)
    else:
        _handlers[number] = (handler, pin, trigger)


def transmitted():
    """A transmission begins."""
    global _began
    _began = ticks_us()


def come(number, times):
    """The street says that a pin has edges at these us of the transmission."""
    for at in times:
        _waiting.append((ticks_add(_began, int(at)), number))


def changed(number, level):
    """The level of a pin changed just now: 1 is a rising edge."""
    if number in _handlers and _handlers[number][2] & (1 if level else 2):
        _waiting.append((ticks_us(), number))


def deliver():
    """Call the handlers of the edges whose time has come."""
    while _waiting and ticks_diff(ticks_us(), _waiting[0][0]) >= 0:
        at, number = _waiting.pop(0)
        if number in _handlers:
            handler, pin, _ = _handlers[number]
            now = time.ticks_us
            time.ticks_us = lambda at=at: at
            try:
                handler(pin)
            finally:
                time.ticks_us = now


class Counter:
    """The pulse counter of the ESP32, which the street counts for."""

    RISING = 1
    FALLING = 2

    def __init__(self, id, src, **options):
        self._pin = src.number
        self._start = 0
        self._start = self.value()

    def value(self, value=None):
        count = _street.control.ask(b'{"count":%d}' % self._pin, "count") - self._start
        if value is not None:
            self._start += count - value
        return count

    def deinit(self):
        """Nothing runs here that would have to stop."""


_street.control.on_edges = come
_street.control.on_level = changed

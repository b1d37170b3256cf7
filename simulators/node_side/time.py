"""``time`` of the simulated chip: machine time as it is, street time as fast as the street wants.

``ticks_*`` and ``sleep*`` are the machine's own. ``time()``, ``time_ns()`` and ``gmtime()`` read
the chip's real-time clock: street time once that was set, and seconds since 2000-01-01 (when the
chip had its last power-up) before. Street time runs ``speed`` times as fast as the machine.

Environment: LAMPLIGHTER_SIM_CLOCK = ``real_origin_ns:street_origin_s:speed``.
"""

import os

from utime import *
from utime import gmtime as _gmtime
from utime import time_ns as _real_ns

_YEAR_2000 = 946_684_800

_origin, _street, _speed = (os.getenv("LAMPLIGHTER_SIM_CLOCK") or "0:0:1").split(":")
_origin = int(_origin)
_street = int(float(_street) * 1000) * 1_000_000
_speed = int(float(_speed) * 1000)  # thousandths, so that all arithmetic is in integers

_offset = 0  # nanoseconds that this chip's clock is ahead of the street's


def street_ns():
    """Street time in nanoseconds of the Unix epoch, whatever the chip's clock says."""
    return _street + (_real_ns() - _origin) * _speed // 1000


def time_ns():
    return street_ns() + _offset


def time():
    return (street_ns() + _offset) // 1_000_000_000


def gmtime(seconds=None):
    return _gmtime(time() if seconds is None else seconds)[:8]  # the ESP32 has no ninth field


localtime = gmtime  # a chip knows no zones


def _set_offset(offset):
    """Put the chip's clock ``offset`` ns ahead of the street's (the RTC of ``machine`` does)."""
    global _offset
    _offset = offset


def _power_up_offset():
    """The offset of a clock that starts from 2000-01-01 now."""
    return _YEAR_2000 * 1_000_000_000 - street_ns()

"""Energy that only grows: a meter's counter, which wraps and restarts, as a total that does not."""

import os
import struct
from binascii import crc32

from ..drivers.bl0942 import COUNTER, MICROWATTHOURS

# What the meter can count in a second of full load, 8 kW: more was not measured.
_COUNTS_PER_S = 12
_SLACK = 24
# After a restart of the node it is not known how long it was off: at most 1 kW for a day.
_UNSEEN = 130_000

_FORMAT = "<QI"  # counts in all, the meter's counter at that time; CRC-32 of both follows
_SIZE = struct.calcsize(_FORMAT) + 4


class EnergyTotal:
    """Counts of the meter, added up over wraps, restarts of the meter and of the node.

    The meter's counter goes back for two reasons, told apart by what a lamp can use in the time: it
    wrapped at 2^24, or the meter restarted and counts from 0.

    path: file that carries the total over a restart of the node; None keeps it in memory alone.
    What a power cut costs is the energy since the last `save`.
    """

    def __init__(self, path=None):
        self._path = path
        self._counts = 0
        self._last = None  # the meter's counter when last seen, None for never
        self._seen = None  # street s of that; None for before this start
        self.restarts = 0  # of the meter
        self.implausible = 0  # readings that were not added
        self.failures = 0  # to load or save
        self._load()

    @property
    def watthours(self):
        """Energy in Wh, rounded down."""
        return self._counts * MICROWATTHOURS // 1_000_000

    def update(self, counter, now):
        """The meter's counter, 0..2^24-1, at street second `now` (monotonic)."""
        first = self._last is None
        if not first:
            self._counts += self._used(counter, self._limit(now))
        self._last = counter
        self._seen = now
        if first:
            self.save()  # where a new node begins, should it restart before its first record

    def _limit(self, now):
        if self._seen is None:
            return _UNSEEN
        return _COUNTS_PER_S * (now - self._seen) + _SLACK

    def _used(self, counter, limit):
        """Counts since the last reading."""
        used = (counter - self._last) % COUNTER
        if used <= limit:
            return used
        if counter < self._last:
            self.restarts += 1
            if counter <= limit:
                return counter
        self.implausible += 1
        return 0

    def save(self):
        """Write the total to its file, whole or not at all."""
        if self._path is None or self._last is None:
            return
        body = struct.pack(_FORMAT, self._counts, self._last)
        try:
            with open(self._path + ".new", "wb") as file:
                file.write(body + struct.pack("<I", crc32(body)))
            os.rename(self._path + ".new", self._path)
        except OSError:
            self.failures += 1

    def _load(self):
        if self._path is None:
            return
        try:
            with open(self._path, "rb") as file:
                data = file.read(_SIZE + 1)
        except OSError:
            return  # a new node
        if len(data) != _SIZE or struct.unpack("<I", data[-4:])[0] != crc32(data[:-4]):
            self.failures += 1
            return
        self._counts, self._last = struct.unpack(_FORMAT, data[:-4])

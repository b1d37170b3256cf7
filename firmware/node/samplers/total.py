"""Energy that only grows: a meter's counter, which wraps and restarts, as a total that does not."""

import os
import struct
from binascii import crc32

# The most a lamp can use: more was not measured.
_MOST_W = 8000
_SLACK_S = 2
# After a restart of the node it is not known how long it was off: at most 1 kW for a day.
_UNSEEN_UJ = 86_400 * 1000 * 1_000_000
_WATTHOUR_UJ = 3_600_000_000

# uJ in all, the meter's counter at that time, code of the meter; their CRC-32 follows.
_FORMAT = "<QIB"
_SIZE = struct.calcsize(_FORMAT) + 4
# As version 0.1 wrote it: counts of a BL0942, its counter, CRC-32.
_OLD_FORMAT = "<QI"
_OLD_SIZE = struct.calcsize(_OLD_FORMAT) + 4
_OLD_UNIT = 672_817_729
_OLD_METER = 2


class EnergyTotal:
    """Energy of the meter, added up over wraps, restarts of the meter and of the node.

    The meter's counter goes back for two reasons, told apart by what a lamp can use in the time: it
    wrapped, or the meter restarted and counts from 0. Where both could be, it is said to have
    wrapped, unless node and meter have just got their power together.

    So a restart of the meter loses what it had not told, or, just before it would have wrapped,
    adds up to what 8 kW use between two readings. A silence in which it could wrap more than once
    loses whole wraps: nothing is made up.

    path: file that carries the total over a restart of the node; None keeps it in memory alone.
    What a power cut costs is the energy since the last `save`. meter: its code, 0..255; the counter
    of another one says nothing. keeps: whether its counter outlives a restart of the node. cold:
    whether the node has just got its power.
    """

    def __init__(self, path=None, meter=_OLD_METER, keeps=True, cold=False):
        self._path = path
        self._meter = meter
        self._cold = cold
        self._energy = 0  # uJ
        self._last = None  # the meter's counter when last seen, None for never
        self._seen = None  # street s of that; None for before this start
        self.restarts = 0  # of the meter
        self.implausible = 0  # readings that were not added
        self.failures = 0  # to load or save
        self._load()
        if not keeps and self._last is not None:
            self._last = 0

    @property
    def watthours(self):
        """Energy in Wh, rounded down."""
        return self._energy // _WATTHOUR_UJ

    def update(self, counter, now, wrap, unit):
        """The meter's counter, 0..wrap-1 counts of `unit` uJ, at second `now` (monotonic)."""
        first = self._last is None
        if not first:
            limit = min(self._most(now) // unit, wrap - 1)
            self._energy += self._used(counter, limit, wrap) * unit
        self._last = counter
        self._seen = now
        if first:
            self.save()  # where a new node begins, should it restart before its first record

    def _most(self, now):
        """uJ that can have been used since the last reading."""
        if self._seen is None:
            return _UNSEEN_UJ
        return _MOST_W * 1_000_000 * (now - self._seen + _SLACK_S)

    def _used(self, counter, limit, wrap):
        """Counts since the last reading."""
        used = (counter - self._last) % wrap
        back = counter < self._last
        if used <= limit and not (back and self._cold and self._seen is None):
            return used
        if back:
            self.restarts += 1
            if counter <= limit:
                return counter
        self.implausible += 1
        return 0

    def save(self):
        """Write the total to its file, whole or not at all."""
        if self._path is None or self._last is None:
            return
        body = struct.pack(_FORMAT, self._energy, self._last, self._meter)
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
        size = len(data)
        if size not in (_SIZE, _OLD_SIZE) or data[-4:] != struct.pack("<I", crc32(data[:-4])):
            self.failures += 1
            return
        if size == _SIZE:
            self._energy, self._last, meter = struct.unpack(_FORMAT, data[:-4])
        else:
            counts, self._last = struct.unpack(_OLD_FORMAT, data[:-4])
            self._energy = counts * _OLD_UNIT
            meter = _OLD_METER
        if meter != self._meter:
            self._last = None

"""Burning hours and switch-ons of the lamp, which outlive the loss of power.

Burning is time with a dimming level above 0 (LwM2M 3416 resource 15), in minutes of street time;
switch-ons are counted from dark to lit, and with each return of the power (TALQ switchOnCounter).

They are two small files, written in turn, so that a cut or a rotten block costs at most what was
counted since the write before, and a third time in NVS once a night, for a flash that had to be
formatted. Of all that are whole the highest counts.

A file is written after each five minutes of burning, and when the lamp is switched, at most once
in five seconds of machine time: a loss of power loses five minutes at most, two and a half on
average. That is 146 writes in a night of 12 h, 51,000 in a year of 4,200 burning hours. Under the
real littlefs with 4 KiB blocks (`counters_wear.py` of the device tests) a write programs 86 bytes
of the root folder's metadata, and every 48th erases a block of its pair: 1,060 erasures in a year,
of the 200,000 that two blocks bear, so it would take 190 years; a hundred with what else is written
in that folder, the energy total above all. NVS takes two entries a night, some six erasures a year.

The memory of the RTC is left to the crash report, which needs it more: a reset that is not a loss
of power costs no more than one does.
"""

import asyncio
import struct
import time
from binascii import crc32

from protocol import records

from ..samplers.period import Period

_PACE_MS = 1000
_SAVE_MINUTES = 5
_SAVE_PAUSE_MS = 5000
_NVS_MINUTES = 720
_FORMAT = "<II"  # minutes, switch-ons; CRC-32 of both follows
_SIZE = 12
_MAX = 0x7FFFFFFF  # what NVS holds as i32
_MINUTES_KEY = "burn_minutes"
_SWITCH_KEY = "switch_on"


class Counters:
    """The task that counts, keeps and records.

    lamp: `.wanted` percent, `.switch_ons` since start. clock: `uptime()` street s. log, settings:
    for the COUNTERS records, each counters/period. path: of the files, to which "0" and "1" are
    added. nvs: an `esp32.NVS`, or None.

    Attributes:
        minutes: of burning, ever. switch_on: times switched on, ever.
        failures: of flash or NVS, to save. Counting goes on.
    """

    def __init__(self, lamp, clock, log, settings, path, nvs=None):
        self._lamp = lamp
        self._clock = clock
        self._log = log
        self._path = path
        self._nvs = nvs
        self._period = Period(clock, settings, "counters/period")
        self._looked = clock.uptime()
        self._burnt = False  # whether the lamp was lit then
        self._seconds = 0  # burnt beyond the whole minutes
        self._switched = 0  # of lamp.switch_ons, taken over
        self._turn = 0  # file to be written next
        self._saved_at = None  # ticks
        self._dark = False  # it went dark since the last save
        self.failures = 0
        self.minutes = 0
        self.switch_on = 0
        self._in_nvs = self._load()
        self._saved = (self.minutes, self.switch_on)

    async def run(self, check_in):
        """Count every second."""
        while True:
            check_in()
            self.step(time.ticks_ms())
            await asyncio.sleep_ms(_PACE_MS)

    def step(self, now):
        """Count once, at machine time `now` (ticks); save and record when it is time."""
        uptime = self._clock.uptime()
        if self._burnt:
            self._seconds += uptime - self._looked
            self.minutes = min(_MAX, self.minutes + self._seconds // 60)
            self._seconds %= 60
        self._looked = uptime
        self._dark = self._dark or (self._burnt and not self._lamp.wanted)
        self._burnt = self._lamp.wanted > 0
        self.switch_on = min(_MAX, self.switch_on + self._lamp.switch_ons - self._switched)
        self._switched = self._lamp.switch_ons
        if self._due(now):
            self.save(now)
        # Once a night, also where the mains is cut at dawn and the node never sees the lamp dark.
        if self._dark or self.minutes - self._in_nvs >= _NVS_MINUTES:
            self._dark = False
            self._to_nvs()
        if self._period.over():
            self._period.restart()
            self._log.append(records.COUNTERS, self.minutes, self.switch_on)

    def _due(self, now):
        minutes, switch_on = self._saved
        if minutes == self.minutes and switch_on == self.switch_on:
            return False
        at = self._saved_at
        # Below 0 the ticks have wrapped, days after the last save.
        if at is not None and 0 <= time.ticks_diff(now, at) < _SAVE_PAUSE_MS:
            return False
        return self._dark or switch_on != self.switch_on or self.minutes - minutes >= _SAVE_MINUTES

    def save(self, now):
        """Write what is counted, at machine time `now` (ticks). Never raises: failures count."""
        self._saved_at = now
        body = struct.pack(_FORMAT, self.minutes, self.switch_on)
        try:
            with open(self._path + "01"[self._turn], "wb") as file:
                file.write(body + struct.pack("<I", crc32(body)))
        except OSError:
            self.failures += 1
            return  # the same file again: the other one is whole
        self._turn = 1 - self._turn
        self._saved = (self.minutes, self.switch_on)

    def _to_nvs(self):
        if self._nvs is None or self._in_nvs == self.minutes:
            return
        self._in_nvs = self.minutes  # or not: the next night will do
        try:
            self._nvs.set_i32(_MINUTES_KEY, self.minutes)
            self._nvs.set_i32(_SWITCH_KEY, self.switch_on)
            self._nvs.commit()
        except OSError:
            self.failures += 1

    def _load(self):
        """Take what is kept; returns the minutes in NVS."""
        kept = [_from_file(self._path + "0"), _from_file(self._path + "1"), self._from_nvs()]
        self.minutes = max(entry[0] for entry in kept)
        self.switch_on = max(entry[1] for entry in kept)
        # The older file is the one to overwrite.
        self._turn = 1 if kept[0] > kept[1] else 0
        return kept[2][0]

    def _from_nvs(self):
        if self._nvs is None:
            return 0, 0
        try:
            minutes = self._nvs.get_i32(_MINUTES_KEY)
            return max(0, minutes), max(0, self._nvs.get_i32(_SWITCH_KEY))
        except OSError:
            return 0, 0  # never written, or erased


def _from_file(path):
    """(minutes, switch-ons) of a file, (0, 0) where there is none that is whole."""
    try:
        with open(path, "rb") as file:
            data = file.read(_SIZE + 1)
    except OSError:
        return 0, 0
    if len(data) != _SIZE or struct.unpack("<I", data[8:])[0] != crc32(data[:8]):
        return 0, 0
    minutes, switch_on = struct.unpack(_FORMAT, data[:8])
    # A file whose contents no count of ours can have reached is no file of ours.
    return (minutes, switch_on) if minutes <= _MAX and switch_on <= _MAX else (0, 0)

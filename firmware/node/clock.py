"""Street time: Unix seconds whatever MicroPython's epoch is, and seconds since start.

`time.time()` counts from 2000 on an ESP32 and from 1970 elsewhere; only this module knows. The set
time lives in the RTC, so a soft reset or a watchdog does not lose it.
"""

import time

# Between these a time is believed: no lamppost ran this code earlier, none will run it later.
EARLIEST = 1_735_689_600  # 2025-01-01T00:00:00Z
LATEST = 4_102_444_800  # 2100-01-01T00:00:00Z

# gmtime(0) tells which epoch this port has: 2000 on the ESP32.
EPOCH = 946_684_800 if time.gmtime(0)[0] == 2000 else 0

# So many times in a row the link must bring an earlier time before the clock is put back.
_PATIENCE = 8

# Nobody looks at the uptime so seldom: a longer time between two looks is a leap of the RTC, in s.
_LEAP = 7 * 86_400

# Corrections smaller than this are the jitter of the link that brought the time, in seconds.
_TOLERANCE = 5


class Clock:
    """The clock of the street.

    rtc: a `machine.RTC`, or anything with its `datetime(tuple)`. on_step: called with (correction
    in s, uptime in s, whether the clock was unset) after each step.
    """

    def __init__(self, rtc, on_step=None):
        self._rtc = rtc
        # time.time() at start, moved along with every correction, so that uptime sees none of them.
        self._start = int(time.time())
        self._uptime = 0
        # Times in a row that the link brought an earlier time, and the least it was earlier by.
        self._late = 0
        self._least = 0
        self.on_step = on_step

    @property
    def is_set(self) -> bool:
        """Whether the time is known."""
        return EARLIEST <= int(time.time()) + EPOCH < LATEST

    def now(self) -> int:
        """Unix seconds (UTC), 0 while the clock is not set."""
        now = int(time.time()) + EPOCH
        return now if EARLIEST <= now < LATEST else 0

    def uptime(self) -> int:
        """Street seconds since start; never goes back, and passes over a leap of the RTC."""
        passed = int(time.time()) - self._start - self._uptime
        if 0 <= passed < _LEAP:
            self._uptime += passed
        else:
            # The RTC went back, or leapt, without `set`: carry on from what was last said.
            self._start += passed
        return self._uptime

    def stamp(self) -> int:
        """Time for a record: `now()`, or `uptime()` while the clock is not set."""
        return self.now() or self.uptime()

    def hear(self, unix_s: int) -> int:
        """Take the time that came over a link, late by an unknown delay; the correction in seconds.

        A delay only ever makes it too early: a later time is right at once, an earlier one only by
        as much as the least of several in a row. Raises ValueError like `set`.
        """
        if not isinstance(unix_s, int) or not EARLIEST <= unix_s < LATEST or not self.is_set:
            return self.set(unix_s)
        step = unix_s - self.now()
        if step > -_TOLERANCE:
            self._late = 0
            return self.set(unix_s)
        self._least = step if self._late == 0 else max(self._least, step)
        self._late += 1
        if self._late < _PATIENCE:
            return 0
        self._late = 0
        return self.set(self.now() + self._least)

    def set(self, unix_s: int) -> int:
        """Set the clock and return the correction in seconds; 0 when it was right within 5 s.

        Raises ValueError for a time before 2025 or from 2100 on.
        """
        if not isinstance(unix_s, int) or not EARLIEST <= unix_s < LATEST:
            raise ValueError("time: expected %d to %d s, got %r" % (EARLIEST, LATEST - 1, unix_s))
        was_set = self.is_set
        uptime = self.uptime()
        step = unix_s - EPOCH - int(time.time())
        if was_set and -_TOLERANCE < step < _TOLERANCE:
            return 0
        year, month, day, hour, minute, second, weekday = time.gmtime(unix_s - EPOCH)[:7]
        self._rtc.datetime((year, month, day, weekday, hour, minute, second, 0))
        self._start = int(time.time()) - uptime
        if self.on_step is not None:
            self.on_step(step, uptime, not was_set)
        return step

"""The clock over this interpreter's own time, with an RTC that steps it."""

import time as real_time

import node.clock
from node.clock import Clock


class FakeTime:
    """`time` with a second hand of its own; seconds count from the interpreter's own epoch."""

    seconds = 1000
    gmtime = staticmethod(real_time.gmtime)

    @classmethod
    def time(cls):
        return cls.seconds


class FakeRtc:
    def datetime(self, when):
        year, month, day, _, hour, minute, second, _ = when
        FakeTime.seconds = int(real_time.mktime((year, month, day, hour, minute, second, 0, 0)))


node.clock.time = FakeTime
NOW = 1_790_000_000
clock = Clock(FakeRtc())
assert not clock.is_set
assert clock.now() == 0
FakeTime.seconds += 50
assert clock.stamp() == clock.uptime() == 50
assert clock.set(NOW) > 0
assert clock.is_set
assert clock.now() == clock.stamp() == NOW
assert clock.uptime() == 50
FakeTime.seconds += 10
assert clock.now() == NOW + 10
assert clock.uptime() == 60
# A soft reset: another Clock over the same RTC.
assert Clock(FakeRtc()).now() == NOW + 10
print("passed")

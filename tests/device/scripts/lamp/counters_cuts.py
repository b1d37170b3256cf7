"""The power goes at each write of the burning hours, and of the energy total.

argv: folder of the flash model, "hours" or "energy", "clean" or "torn", and the strides of
`cuts.sweep`. What was durable when the power went is there afterwards, and never more than was
counted.
"""

import sys

sys.path.append(sys.argv[1])

from cuts import prepared, sweep
from rig import Clock, Settings

from firmware.node.lamp.counters import Counters
from firmware.node.samplers.total import EnergyTotal

# A count of the meter is a watt-hour here.
UNIT = 3_600_000_000
WRAP = 1 << 24


class Lamp:
    wanted = 100
    switch_ons = 1


class Log:
    def append(self, kind, *values):
        pass


class Hours:
    """A night of burning, saved every five minutes."""

    def __init__(self):
        self._clock = Clock(0)
        self._ticks = 0
        self._counters = Counters(Lamp(), self._clock, Log(), Settings({}), "/f/burnt")

    def total(self):
        return self._counters.minutes

    def count(self):
        self._clock.move(300)
        self._ticks += 6000
        self._counters.step(self._ticks)
        assert self._counters.failures == 0


class Energy:
    """A meter that keeps its counter, read and saved each quarter of an hour of 20 Wh."""

    counter = 0  # the meter's own

    def __init__(self):
        self._total = EnergyTotal("/f/energy")
        assert self._total.failures == 0
        self._now = 0

    def total(self):
        return self._total.watthours

    def count(self):
        self._now += 900
        Energy.counter += 20
        self._total.update(Energy.counter, self._now, WRAP, UNIT)
        self._total.save()
        assert self._total.failures == 0


what = {"hours": Hours, "energy": Energy}[sys.argv[2]]
# Most that one count adds.
STEP = {"hours": 5, "energy": 20}[sys.argv[2]]


def life(promises):
    one = what()
    if "counter" in promises:
        Energy.counter = promises["counter"]
    for _ in range(12):
        promises["most"] = one.total() + STEP
        promises["counter"] = Energy.counter + STEP
        one.count()
        promises["least"] = one.total()


def check(promises):
    found = what().total()
    assert promises["least"] <= found <= promises["most"], (promises, found)


def night():
    life(first)


first = {"least": 0, "most": 0}
sweep(prepared(16, night), first, life, check, sys.argv[3], *map(int, sys.argv[4:]))

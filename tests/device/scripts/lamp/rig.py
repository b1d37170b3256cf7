"""A lamp on fake pins, in time that the script moves."""

import asyncio
import time

from firmware.node.lamp.output import Output
from firmware.node.lamp.service import Lamp
from protocol import configuration

NOON = 1_781_524_800  # 2026-06-15T12:00:00Z
NIGHT = 1_781_481_600  # midnight before it

lines = []  # everything the pins were told, in order


def once(module, name):
    """Let the next call of a module's function find no memory."""
    whole = getattr(module, name)

    def failing(*arguments):
        setattr(module, name, whole)
        raise MemoryError(name)

    setattr(module, name, failing)


class Pwm:
    def duty_u16(self, duty):
        if not 0 <= duty <= 65535:
            raise ValueError(f"duty {duty}")
        lines.append(("duty", duty))


class Pin:
    def value(self, level):
        lines.append(("relay", level))


class Clock:
    def __init__(self, unix_s):
        self.unix_s = unix_s
        self.up = 0

    def now(self):
        return self.unix_s

    def uptime(self):
        return self.up

    def move(self, seconds):
        self.up += seconds
        if self.unix_s:
            self.unix_s += seconds


class Settings:
    def __init__(self, values, version=1):
        self.values = configuration.effective(values)
        self.version = version
        self.given = values if version else {}

    def take(self, changed):
        """Replace the values as a whole, as settings do."""
        values = dict(self.values)
        values.update(changed)
        self.values = values


class Rig:
    """Lamp, its surroundings, and machine time in ticks."""

    def __init__(self, unix_s, values, ticks=0, version=1, powered_on=False):
        lines.clear()
        self.clock = Clock(unix_s)
        self.settings = Settings(values, version)
        self.output = Output(Pwm(), Pin())
        self.lamp = Lamp(self.output, self.clock, self.settings, powered_on)
        self.ticks = ticks
        self.changes = []
        self.events = []
        self.lamp.on_change = lambda *change: self.changes.append(change)
        self.lamp.on_event = lambda *event: self.events.append(event)

    def run(self, ms):
        """Let machine time pass, stepping the lamp as its task would."""
        end = time.ticks_add(self.ticks, ms)
        while True:
            wait = self.lamp.step(self.ticks)
            assert 0 < wait <= 1000
            if time.ticks_diff(end, self.ticks) <= 0:
                return
            self.ticks = time.ticks_add(self.ticks, min(wait, time.ticks_diff(end, self.ticks)))

    def fail(self):
        """A run of the lamp's task that ends without memory, as the supervisor sees it."""
        try:
            asyncio.run(asyncio.wait_for(self.lamp.run(lambda: None), 1))
        except MemoryError:
            return
        raise AssertionError("it went on")

    def street(self, seconds):
        """Let street time pass and the lamp settle."""
        self.clock.move(seconds)
        self.run(4000)

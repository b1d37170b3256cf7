"""What a world tells the parts of one lamppost, and the shapes in which it does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Clock = Callable[[], float]
"""Seconds now, of machine or of street time."""


class NoAcknowledge(Exception):
    """An I2C part did not pull the line down: it is absent, or has no power."""


class Air(NamedTuple):
    """Particulate matter at the lamppost now, in ug/m3; each size includes the smaller ones."""

    pm1: float
    pm25: float
    pm10: float


class Climate(NamedTuple):
    """The air itself: temperature in C, relative humidity in %, pressure in Pa."""

    temperature: float
    humidity: float
    pressure: float


class Walker(NamedTuple):
    """Somebody on the pavement.

    Attributes:
        position_mm: along the pavement's axis; 0 is under the people sensor. Walking *towards*
            means that it grows.
        height_mm: top of the head above the pavement.
    """

    position_mm: float
    height_mm: float


class Surroundings(Protocol):
    """The world as one lamppost's parts meet it, at this moment."""

    def air(self) -> Air:
        """The air at its inlet."""
        ...

    def climate(self) -> Climate:
        """Temperature, humidity and pressure."""
        ...

    def no2(self) -> float:
        """Nitrogen dioxide in ppb."""
        ...

    def walkers(self) -> Sequence[Walker]:
        """Everybody within a few metres; those further away may be left out."""
        ...

    def mains_voltage(self) -> float:
        """Volts RMS at the supply terminals; 0 in a power cut."""
        ...

    def daylight_lux(self) -> float:
        """Daylight in lux."""
        ...


class UartPart(Protocol):
    """A part at the far end of a UART."""

    baud: int

    def receive(self, data: bytes) -> None:
        """Take bytes the node sent."""
        ...

    def pending(self, now: float) -> bytes:
        """Bytes said by machine second ``now`` and not taken before; empty for none."""
        ...

    def due(self) -> float:
        """Machine second at which :meth:`pending` next has something; ``inf`` for never."""
        ...


@dataclass
class SteadySurroundings:
    """Surroundings that are whatever was last put in: for benches and tests."""

    particles: Air = field(default_factory=lambda: Air(4.0, 8.0, 12.0))
    weather: Climate = field(default_factory=lambda: Climate(12.0, 70.0, 101_300.0))
    nitrogen_dioxide: float = 20.0
    people: list[Walker] = field(default_factory=list[Walker])
    volts: float = 230.0
    daylight: float = 10_000.0

    def air(self) -> Air:
        """See :class:`Surroundings`."""
        return self.particles

    def climate(self) -> Climate:
        """See :class:`Surroundings`."""
        return self.weather

    def no2(self) -> float:
        """See :class:`Surroundings`."""
        return self.nitrogen_dioxide

    def walkers(self) -> Sequence[Walker]:
        """See :class:`Surroundings`."""
        return self.people

    def mains_voltage(self) -> float:
        """See :class:`Surroundings`."""
        return self.volts

    def daylight_lux(self) -> float:
        """See :class:`Surroundings`."""
        return self.daylight

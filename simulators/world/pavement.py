"""People walking under one lamppost, in machine time."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from simulators.parts import Clock, Walker
from simulators.world.sources import PeopleSource

MOST_PER_SECOND = 0.2
"""Arrivals a machine second at the busiest hour: more would be abreast too often to be counted."""

REACH_MM = 6000
"""Walkers come into being and vanish this far from the lamppost."""

_SLOWEST, _FASTEST = 800.0, 1800.0  # mm/s
_SHORTEST, _TALLEST = 1450.0, 1950.0  # mm


@dataclass(frozen=True)
class _Person:
    born: float
    speed: float  # mm/s, negative when walking away
    height: float

    def position(self, now: float) -> float:
        start = -REACH_MM if self.speed > 0 else REACH_MM
        return start + self.speed * (now - self.born)

    @property
    def passes(self) -> float:
        """Machine second under the lamppost."""
        return self.born + REACH_MM / abs(self.speed)


class Pavement:
    """A Poisson stream of walkers whose rate follows the hour of the street.

    People walk in machine time while the hours may fly: of the people who would pass in an hour of
    the street, :attr:`scale` do, so that the busiest hour has MOST_PER_SECOND. ``crowd`` raises
    that, so that quiet hours on a fast clock have somebody too; busy hours then stay at
    MOST_PER_SECOND.

    Args:
        source: people an hour.
        machine: machine seconds.
        street: street seconds.
        speed: street seconds in one machine second.
        seed: of the stream.
        crowd: simulated people for each one of the plain scale, above 0.

    Attributes:
        scale: simulated people for each real one (where not limited by MOST_PER_SECOND).
        towards: people who have passed under the lamppost so far, walking towards.
        away: the same, walking away.
    """

    def __init__(
        self,
        source: PeopleSource,
        machine: Clock,
        street: Clock,
        speed: float,
        seed: str,
        crowd: float = 1.0,
    ) -> None:
        self._source = source
        self._machine = machine
        self._street = street
        self._random = random.Random(seed)
        full = source.peak * speed / 3600  # arrivals a machine second at the peak, unscaled
        self.scale = crowd * min(1.0, MOST_PER_SECOND / full) if full > 0 else crowd
        self._factor = speed * self.scale / 3600  # people an hour to arrivals a machine second
        self._most = min(full * self.scale, MOST_PER_SECOND)
        self._people: list[_Person] = []
        self._counted = machine()
        self._next = self._counted + self._gap()
        self.towards = 0
        self.away = 0

    def walkers(self) -> Sequence[Walker]:
        """Everybody within reach of the lamppost now."""
        now = self._machine()
        self._advance(now)
        return [Walker(person.position(now), person.height) for person in self._people]

    def _gap(self) -> float:
        return self._random.expovariate(self._most) if self._most > 0 else float("inf")

    def _advance(self, now: float) -> None:
        while self._next <= now:
            # Candidates come at the highest rate; thinned out, they come at the rate of the hour.
            rate = self._source.per_hour(self._street() - (now - self._next)) * self._factor
            if self._random.random() * self._most < rate:
                speed = self._random.uniform(_SLOWEST, _FASTEST)
                direction = self._random.choice((-1, 1))
                height = self._random.uniform(_SHORTEST, _TALLEST)
                self._people.append(_Person(self._next, speed * direction, height))
            self._next += self._gap()
        if not self._people:
            self._counted = now
            return
        for person in self._people:
            if self._counted < person.passes <= now:
                if person.speed > 0:
                    self.towards += 1
                else:
                    self.away += 1
        self._counted = now
        self._people = [person for person in self._people if abs(person.position(now)) <= REACH_MM]

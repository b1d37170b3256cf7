"""Crowds at random: people who pass, in pairs or alone, who stand about, who turn back.

They come as a Poisson stream, both ways at once, and everything about them is drawn from a seeded
generator, so a crowd can be had again.
"""

from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import NamedTuple

REACH_MM = 3000.0
"""Walkers come into being and vanish this far from the lamppost."""


class Walk(NamedTuple):
    """One person's way under the lamppost.

    Attributes:
        points: (s, mm along the pavement), at least two, times ascending; straight in between.
        height_mm: top of the head above the pavement.
    """

    points: tuple[tuple[float, float], ...]
    height_mm: float

    def position(self, now: float) -> float | None:
        """Where they are in mm, or None before they come and after they have gone."""
        if not self.points[0][0] <= now <= self.points[-1][0]:
            return None
        for (t0, x0), (t1, x1) in pairwise(self.points):
            if t0 <= now < t1:
                return x0 + (x1 - x0) * (now - t0) / (t1 - t0)
        return self.points[-1][1]


@dataclass(frozen=True)
class Mix:
    """What a crowd is made of, each a share of those who arrive.

    Attributes:
        name: as a table has it.
        pairs: two together.
        in_step: share of the pairs that walk side by side; the others one behind the other.
        loiterers: stand below for 3 to 20 s before they go on.
        turning: come below and go back.
    """

    name: str
    pairs: float = 0.0
    in_step: float = 0.5
    loiterers: float = 0.0
    turning: float = 0.0


class Crowd(NamedTuple):
    """People, in the order they come, and how many of them pass in either direction."""

    people: list[Walk]
    towards: int
    away: int


def crowd(random: Random, per_minute: float, seconds: float, mix: Mix) -> Crowd:
    """The people of ``seconds``, ``per_minute`` of them above 0 in the mean."""
    people: list[Walk] = []
    passed = {1: 0, -1: 0}
    arrivals = per_minute / 60 / (1 + mix.pairs)
    now = random.expovariate(arrivals)
    while now < seconds:
        way = random.choice((1, -1))
        kind = random.random()
        if kind < mix.turning:
            people.append(_standing(random, now, way, random.uniform(0.2, 1.5), back=True))
        elif kind < mix.turning + mix.loiterers:
            people.append(_standing(random, now, way, random.uniform(3, 20), back=False))
            passed[way] += 1
        else:
            together = _passing(random, now, way, mix)
            people += together
            passed[way] += len(together)
        now += random.expovariate(arrivals)
    people.sort(key=lambda walk: walk.points[0])
    return Crowd(people, passed[1], passed[-1])


def _height(random: Random) -> float:
    return min(2000.0, max(1350.0, random.gauss(1700, 95)))


def _passing(random: Random, now: float, way: int, mix: Mix) -> list[Walk]:
    speed = min(2000.0, max(600.0, random.gauss(1340, 260)))
    behind = [0.0]
    if random.random() < mix.pairs:
        in_step = random.random() < mix.in_step
        behind.append(abs(random.gauss(0, 120)) if in_step else random.uniform(600, 1200))
    return [
        Walk(
            (
                (now + late / speed, -REACH_MM * way),
                (now + (late + 2 * REACH_MM) / speed, REACH_MM * way),
            ),
            _height(random),
        )
        for late in behind
    ]


def _standing(random: Random, now: float, way: int, pause: float, *, back: bool) -> Walk:
    speed = min(1800.0, max(800.0, random.gauss(1250, 150)))
    stop = random.uniform(-220, 220)
    there = now + (REACH_MM + stop * way) / speed
    end = -REACH_MM * way if back else REACH_MM * way
    gone = there + pause + abs(end - stop) / speed
    points = ((now, -REACH_MM * way), (there, stop), (there + pause, stop), (gone, end))
    return Walk(points, _height(random))

"""Light that goes ahead of who walks: from sightings along a street to the lamps to be lit.

Pure: poles, sightings and times go in, waves come out. Somebody who turns up lights as many poles
each way; the next pole that sees somebody says which way it goes and how fast, and from then on
more is lit ahead and less behind. People are not told apart, nor is any kept beyond the way they
are on: only what is needed to light it, and not longer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

# Walkers go at 0.8 to 2.5 m/s, cyclists at 4 to 8; what is outside is two different people.
SLOWEST_MPS = 0.4
FASTEST_MPS = 12.0
# Of somebody whose speed is not known yet.
_ASSUMED_MPS = 0.8
# Somebody is looked for at most so many poles from where they were: sensors miss people.
_MOST_STEPS = 2
# A sensor sees people so far away; two neighbours may see the same person at once.
_REACH_M = 12.0
# A hold outlasts the way to the next pole by this, and by half.
_SLACK_S = 5.0
_LEAST_HOLD_S = 10.0
# A pole tells every second while somebody is there. Two that tell within this may mean the same.
_SAME_S = 1.5
# Who has stood for so long may go on either way.
_STANDS_S = 60.0
_FORGET_S = 120.0
_MOST_WALKERS = 64


@dataclass(frozen=True)
class Pole:
    """One lamppost of a street: node id, metres along the street."""

    node: bytes
    position: float


@dataclass(frozen=True)
class Habits:
    """How waves run; as `[presence]` has them, lengths in poles, hold in seconds."""

    around: int = 2
    ahead: int = 3
    behind: int = 1
    lookahead_s: float = 12.0
    hold_most_s: int = 120


class Light(NamedTuple):
    """The lamppost `node` is to count as seen for `seconds`."""

    node: bytes
    seconds: int


@dataclass
class _Walker:
    place: int  # index of the pole that saw them last
    time: float
    heading: int = 0  # +1 up the street, -1 down, 0 not known
    speed: float = 0.0  # m/s, 0 not known
    came: float = 0.0  # when they came to `place`


class Street:
    """The poles of one street in their order, and who is on it."""

    def __init__(self, poles: Iterable[Pole], habits: Habits) -> None:
        self._poles = sorted(poles, key=lambda pole: (pole.position, pole.node))
        self._habits = habits
        self._walkers: list[_Walker] = []
        # Until when a pole is lit by what was said, by index.
        self._lit: dict[int, float] = {}

    @property
    def nodes(self) -> list[bytes]:
        """Node ids of its poles, in their order."""
        return [pole.node for pole in self._poles]

    @property
    def walkers(self) -> int:
        """How many are known to be on their way."""
        return len(self._walkers)

    def seen(self, place: int, now: float) -> list[Light]:
        """The pole at index `place` saw somebody at `now` (s, growing): the lamps to be lit.

        A lamp that is lit for long enough by what was said before is left out.
        """
        self._forget(now)
        walker = self._whose(place, now)
        if walker is None:
            walker = _Walker(place, now, came=now)
            self._walkers.append(walker)
            if len(self._walkers) > _MOST_WALKERS:
                self._walkers.remove(min(self._walkers, key=lambda one: one.time))
        elif walker.place != place:
            self._move(walker, place, now)
        elif now - walker.came > _STANDS_S:
            walker.heading, walker.speed = 0, 0.0
        walker.time = now
        return self._light(walker, now)

    def _whose(self, place: int, now: float) -> _Walker | None:
        """Who that may be: somebody who stands here, or who can have come here."""
        here = max(
            (walker for walker in self._walkers if walker.place == place),
            key=lambda walker: walker.time,
            default=None,
        )
        if here is not None and now - here.time <= _SAME_S:
            return here
        coming = [
            (cost, number, walker)
            for number, walker in enumerate(self._walkers)
            if walker is not here and (cost := self._cost(walker, place, now)) is not None
        ]
        return min(coming)[2] if coming else here

    def _cost(self, walker: _Walker, place: int, now: float) -> float | None:
        """How badly `walker` fits a sighting at `place`; None when it cannot be.

        One who turns back is taken for somebody new, who lights both ways: a follower, told apart
        by nothing, would otherwise turn the light of who is in front.
        """
        steps = place - walker.place
        if not 0 < abs(steps) <= _MOST_STEPS or walker.heading * steps < 0:
            return None
        way = self._way(walker.place, place)
        took = now - walker.came
        if max(0.0, way - 2 * _REACH_M) > FASTEST_MPS * (now - walker.time):
            return None
        if took > _SAME_S and way > FASTEST_MPS * took:
            return None
        cost = abs(steps) - 1.0
        if not walker.heading:
            cost += 0.5
        if walker.speed:
            cost += 0.5 * min(2.0, abs(math.log(walker.speed * max(took, 0.1) / way)))
        return cost

    def _move(self, walker: _Walker, place: int, now: float) -> None:
        took = now - walker.came
        way = self._way(walker.place, place)
        if way > FASTEST_MPS * took:
            return  # between two poles that see the same person at once, going no way yet
        speed = way / took
        if speed >= SLOWEST_MPS:
            walker.speed = (walker.speed + speed) / 2 if walker.speed else speed
        walker.heading = 1 if place > walker.place else -1
        walker.place = place
        walker.came = now

    def _light(self, walker: _Walker, now: float) -> list[Light]:
        habits = self._habits
        up = down = habits.around
        if walker.heading:
            up = down = habits.behind
            ahead = self._ahead(walker)
            if walker.heading > 0:
                up = ahead
            else:
                down = ahead
        hold = self._hold(walker)
        first = max(0, walker.place - down)
        last = min(len(self._poles) - 1, walker.place + up)
        wanted: list[Light] = []
        for index in range(first, last + 1):
            # The pole itself lights its lamp without us.
            if index != walker.place and self._lit.get(index, 0.0) < now + hold / 2:
                self._lit[index] = now + hold
                wanted.append(Light(self._poles[index].node, math.ceil(hold)))
        return wanted

    def _ahead(self, walker: _Walker) -> int:
        """Poles to light ahead: the usual number, or more for who is fast."""
        habits = self._habits
        poles = habits.ahead
        way = walker.speed * habits.lookahead_s
        while poles < 2 * habits.ahead:
            following = walker.place + walker.heading * (poles + 1)
            if not 0 <= following < len(self._poles) or self._way(walker.place, following) > way:
                break
            poles += 1
        return poles

    def _hold(self, walker: _Walker) -> float:
        """Seconds until the next pole will have seen who it is, and a little more."""
        following = walker.place + (walker.heading or 1)
        if not 0 <= following < len(self._poles):
            following = walker.place - (walker.heading or 1)
        way = self._way(walker.place, following) if 0 <= following < len(self._poles) else 0.0
        speed = walker.speed or _ASSUMED_MPS
        return min(self._habits.hold_most_s, max(_LEAST_HOLD_S, 1.5 * way / speed + _SLACK_S))

    def _way(self, one: int, other: int) -> float:
        """Metres between two poles; two at one place are a step apart."""
        return max(0.5, abs(self._poles[one].position - self._poles[other].position))

    def _forget(self, now: float) -> None:
        self._walkers = [one for one in self._walkers if now - one.time <= _FORGET_S]
        if len(self._lit) > 2 * _MOST_WALKERS:
            self._lit = {index: until for index, until in self._lit.items() if until > now}


class Waves:
    """All streets of a gateway: a sighting by node id, and the lamps to be lit for it."""

    def __init__(self, streets: Mapping[str, Iterable[Pole]], habits: Habits) -> None:
        self.streets = {name: Street(poles, habits) for name, poles in streets.items()}
        self._places = {
            node: (street, place)
            for street in self.streets.values()
            for place, node in enumerate(street.nodes)
        }

    def seen(self, node: bytes, now: float) -> list[Light]:
        """As Street.seen; nothing for a lamppost that is on no street."""
        found = self._places.get(node)
        return [] if found is None else found[0].seen(found[1], now)

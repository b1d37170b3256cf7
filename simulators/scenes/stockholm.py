"""Presence dimming as measured in Stockholm: 34 LED lamps on Kungsholmen's shore path, 750 m.

There lamps idle at 50 % and go to 100 % in groups of seven while somebody walks: the one above and
those ahead of them, four together and so about 60 m, and three behind, for one minute. 40 % of the
energy was saved against the same lamps at 100 % all night.

Here each lamp decides by the node's own `Presence`; walkers are a Poisson stream at the rate that a
recording or the weekly profile has for the hour; a message takes LATENCY_S to the neighbours. Power
follows the level, which LED drivers do within a few percent; what the node itself draws is the same
in both and left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from firmware.node.lamp import sun
from firmware.node.lamp.presence import Presence
from simulators.world.sources import PeopleSource

LAMPS = 34
LENGTH_M = 750.0
AHEAD = 4
"""Lamps lit ahead, the one above among them."""
BEHIND = 3
HOLD_S = 60
IDLE = 50
FULL = 100
LATENCY_S = 0.3
"""The longest a presence wave may take from the sensor to the neighbours' lamps."""

LATITUDE, LONGITUDE, UTC_OFFSET_MIN = 593293, 180686, 60

_DAY = 86400
_SLOWEST, _FASTEST = 1.0, 1.7  # m/s


@dataclass(frozen=True)
class Night:
    """From sunset to sunrise.

    Attributes:
        begins: Unix s, at sunset.
        ends: Unix s, at sunrise.
    """

    begins: int
    ends: int


class Outcome(NamedTuple):
    """What a night came to.

    Attributes:
        seconds: its length.
        walkers: people who walked the whole path.
        mean_level: of all lamps, percent.
        full_share: share of lamp-seconds at FULL, 0 to 1.
    """

    seconds: int
    walkers: int
    mean_level: float
    full_share: float

    @property
    def saving(self) -> float:
        """Share of energy saved against FULL all night, 0 to 1."""
        return 1 - self.mean_level / FULL


class _Seen(NamedTuple):
    """Somebody under lamp ``lamp`` at ``at`` s, walking ``way`` (1 or -1 along the numbers)."""

    at: float
    lamp: int
    way: int


def night(day: int) -> Night:
    """The night that begins on local day ``day`` (since 1970-01-01) in Stockholm."""
    begins = sun.event(sun.SUNSET, day, LATITUDE, LONGITUDE, UTC_OFFSET_MIN)
    ends = sun.event(sun.SUNRISE, day + 1, LATITUDE, LONGITUDE, UTC_OFFSET_MIN)
    return Night(int(begins), int(ends))


def play(dark: Night, people: PeopleSource, scale: float, random: Random) -> Outcome:
    """Play one night with ``scale`` times as many walkers as ``people`` says, above 0."""
    walkers = 0
    events: list[_Seen] = []
    for enters in _arrivals(dark, people, scale, random):
        walkers += 1
        events += _walk(enters, random)
    lamps = _Lamps(dark)
    for seen in sorted(events):
        for lamp in group(seen.lamp, seen.way):
            delay = 0.0 if lamp == seen.lamp else LATENCY_S
            lamps.seen(lamp, seen.at + delay)
    return lamps.outcome(walkers)


def group(lamp: int, way: int) -> list[int]:
    """The lamps lit for somebody under ``lamp`` who walks ``way``, fewer at the path's ends."""
    reach = range(-BEHIND, AHEAD)
    return [lamp + way * step for step in reach if 0 <= lamp + way * step < LAMPS]


def _arrivals(dark: Night, people: PeopleSource, scale: float, random: Random) -> Iterator[float]:
    """Times at which somebody enters: a Poisson stream thinned to the rate of the hour."""
    highest = people.peak * scale / 3600
    now = float(dark.begins)
    while highest > 0:
        now += random.expovariate(highest)
        if now >= dark.ends:
            return
        if random.random() * people.peak < people.per_hour(now):
            yield now


def _walk(enters: float, random: Random) -> list[_Seen]:
    way = random.choice((1, -1))
    pace = LENGTH_M / (LAMPS - 1) / random.uniform(_SLOWEST, _FASTEST)
    lamps = range(LAMPS) if way > 0 else range(LAMPS - 1, -1, -1)
    return [_Seen(enters + index * pace, lamp, way) for index, lamp in enumerate(lamps)]


class _Lamps:
    """The path's lamps, each with its own Presence; light is added up between its changes."""

    def __init__(self, dark: Night) -> None:
        self._dark = dark
        self._presence = [Presence(FULL, IDLE, HOLD_S) for _ in range(LAMPS)]
        self._at = [float(dark.begins)] * LAMPS
        self._full = [0.0] * LAMPS

    def seen(self, lamp: int, at: float) -> None:
        """Tell one lamp that somebody is near."""
        if at < self._dark.ends:
            self._advance(lamp, at)
            self._presence[lamp].seen(at)

    def outcome(self, walkers: int) -> Outcome:
        """Add up to the end of the night."""
        length = self._dark.ends - self._dark.begins
        for lamp in range(LAMPS):
            self._advance(lamp, float(self._dark.ends))
        share = sum(self._full) / (LAMPS * length)
        return Outcome(length, walkers, IDLE + (FULL - IDLE) * share, share)

    def _advance(self, lamp: int, until: float) -> None:
        """Add the time from the last look to ``until`` that the lamp was at FULL, to a second."""
        presence, now = self._presence[lamp], self._at[lamp]
        # Not backwards: a neighbour's message comes a moment after a walker who is told at once.
        self._at[lamp] = max(now, until)
        # Between two walkers that is one stretch, at most a hold long.
        while now < until and presence.wish(FULL, now) == FULL:
            step = min(1.0, until - now)
            self._full[lamp] += step
            now += step

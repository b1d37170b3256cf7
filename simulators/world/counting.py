"""A crowd under the footfall counter: the node's own logic on what its sensor would range.

The model of the VL53L1X says what each zone measures; its registers and the node's task are left
out, so that hours of walking take seconds.
"""

from random import Random
from typing import NamedTuple

from firmware.node.samplers.passage import A, B, Estimate, Passages, Zone
from simulators.parts import Walker
from simulators.parts.vl53l1x import nearest
from simulators.world.walks import Crowd, Walk

SLOT_MS = 50
"""A zone's turn, as the node's people sampler has it."""

PERIOD_S = 300

_HEIGHT_MM = 3000.0
_NOISE_MM = 8.0
_IN_VIEW_MM = 1200.0
_COLUMNS = {A: range(8), B: range(8, 16)}


class Counted(NamedTuple):
    """What the counter says of a crowd.

    Attributes:
        towards: people it says passed, one way.
        away: the other way.
        apart: people it told apart, both ways, before it made up for those it could not.
        share: per mille of the time in which it could tell a newcomer apart.
    """

    towards: int
    away: int
    apart: int
    share: int


def count(people: Crowd, seconds: float, random: Random, factor: int = 1000) -> Counted:
    """Count ``people`` for ``seconds``, in periods of PERIOD_S; factor as people/factor."""
    zones = {A: Zone(), B: Zone()}
    passages = Passages()
    estimate = Estimate()
    totals = [0, 0, 0]
    share = 1000
    waiting = list(reversed(people.people))
    present: list[Walk] = []
    slots = int(seconds * 1000) // SLOT_MS
    for slot in range(1, slots + 1):
        elapsed = slot * SLOT_MS
        now = elapsed / 1000
        while waiting and waiting[-1].points[0][0] <= now:
            present.append(waiting.pop())
        present = [walk for walk in present if walk.points[-1][0] >= now]
        zone = A if slot % 2 else B
        distance = round(random.gauss(_distance(zone, present, now), _NOISE_MM))
        occupied = zones[zone].look(True, distance)
        passages.update(zone, occupied, distance, elapsed, SLOT_MS)
        if elapsed % (PERIOD_S * 1000) == 0 or slot == slots:
            towards, away, apart, share = estimate.people(passages.take(), factor)
            for index, value in enumerate((towards, away, apart)):
                totals[index] += value
    return Counted(totals[0], totals[1], totals[2], share)


def _distance(zone: int, present: list[Walk], now: float) -> float:
    below: list[Walker] = []
    for walk in present:
        position = walk.position(now)
        if position is not None and abs(position) < _IN_VIEW_MM:
            below.append(Walker(position, walk.height_mm))
    return nearest(_HEIGHT_MM, _COLUMNS[zone], below)[0] if below else _HEIGHT_MM

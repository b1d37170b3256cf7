"""Error of the footfall counter on crowds whose number is known, by how busy the pavement is.

Randomised crowds of each kind; a mix of all, plain and with the factor that an installer would set
after counting by hand at a quiet time; and days of real hourly counts, walked at random.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from random import Random

from simulators.world.counting import Counted, count
from simulators.world.recordings import read_footfall
from simulators.world.walks import Crowd, Mix, crowd
from tests.bench.rows import Row

ALONE = Mix("alone, both ways at once")
MIXES = (
    ALONE,
    Mix("a tenth turn back", turning=0.1),
    Mix("a twentieth loiter", loiterers=0.05),
    Mix("a quarter in pairs, in file", pairs=0.25, in_step=0.0),
    Mix("a quarter in pairs, half of them in step", pairs=0.25),
)
TYPICAL = Mix("a mix of all", pairs=0.15, loiterers=0.03, turning=0.05)
RATES = (5, 10, 20, 30, 45, 60)
SECONDS = 3600.0
_CROWDS = 4
_SETTLE_S = 20.0
_LEEDS = Path(__file__).parents[2] / "../shared/data/leeds_footfall_2009_2016_hourly.csv.gz"


def measured(mix: Mix, rate: float, factor: int = 1000, seed: int = 0) -> tuple[Crowd, Counted]:
    """A crowd of an hour and what the counter says of it."""
    people = crowd(Random(f"{mix.name} {rate} {seed}"), rate, SECONDS, mix)
    return people, count(people, SECONDS + _SETTLE_S, Random(seed), factor)


def run() -> list[Row]:
    """Measure every mix at every rate."""
    rows: list[Row] = []
    for mix in MIXES:
        rows += [_row(mix, rate, 1000, mix.name) for rate in RATES]
    rows += [_row(TYPICAL, rate, 1000, TYPICAL.name) for rate in RATES]
    factor = by_hand()
    name = f"{TYPICAL.name}, people/factor {factor} counted at 5 a minute"
    rows += [_row(TYPICAL, rate, factor, name) for rate in RATES]
    return rows + _replayed()


def by_hand() -> int:
    """The factor somebody finds who counts along for four quiet hours, seeds of its own."""
    truth = said = 0
    for seed in range(100, 104):
        people, counted = measured(TYPICAL, 5, seed=seed)
        truth += people.towards + people.away
        said += counted.towards + counted.away
    return round(1000 * truth / said)


def _row(mix: Mix, rate: float, factor: int, name: str) -> Row:
    truth = said = apart = share = 0
    for seed in range(_CROWDS):
        people, counted = measured(mix, rate, factor, seed)
        truth += people.towards + people.away
        said += counted.towards + counted.away
        apart += counted.apart
        share += counted.share
    note = (
        f"{truth:,} passed, {said:,} said, {apart:,} told apart; "
        f"newcomers could be told apart {share / _CROWDS / 10:.0f} % of the time"
    )
    return Row("counting", f"{name}, {rate} a minute", 100 * (said / truth - 1), "%", note)


def _replayed() -> list[Row]:
    """Every hour of a busy Leeds day, scaled so that its busiest has 30 people a minute."""
    if not _LEEDS.exists():
        return []
    days: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
    for hour in read_footfall(_LEEDS):
        days[hour.location, hour.start // 86400][hour.start // 3600 % 24] = hour.people
    busy = max((day for day in days.values() if len(day) == 24), key=lambda day: sum(day.values()))
    scale = 30 / max(busy.values())
    truth = said = 0
    for hour, people in sorted(busy.items()):
        if people:
            walked, counted = measured(ALONE, people * scale, seed=hour)
            truth += walked.towards + walked.away
            said += counted.towards + counted.away
    note = (
        f"{truth:,} passed, {said:,} said; hourly counts of Leeds City Council, at most 30 a minute"
    )
    return [Row("counting", "a recorded day, alone", 100 * (said / truth - 1), "%", note)]

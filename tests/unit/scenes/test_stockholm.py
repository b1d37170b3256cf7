"""The path of 34 lamps: who lights which, and what it saves."""

from datetime import date
from random import Random

import pytest

from simulators.scenes.stockholm import AHEAD, BEHIND, FULL, IDLE, LAMPS, Night, group, night, play
from tests.bench.stockholm import DAYS

EPOCH = date(1970, 1, 1).toordinal()


class Steady:
    """So many people an hour, always."""

    def __init__(self, per_hour: float) -> None:
        self.peak = per_hour

    def per_hour(self, street: float) -> float:
        return self.peak


def test_a_walker_lights_seven_lamps_more_ahead_than_behind() -> None:
    assert group(10, 1) == [7, 8, 9, 10, 11, 12, 13]
    assert sorted(group(10, -1)) == [7, 8, 9, 10, 11, 12, 13]
    assert group(10, 1) == [10 + step for step in range(-BEHIND, AHEAD)]
    assert group(20, -1) == [20 - step for step in range(-BEHIND, AHEAD)]
    assert group(0, 1) == [0, 1, 2, 3]
    assert group(LAMPS - 1, 1) == [LAMPS - 4, LAMPS - 3, LAMPS - 2, LAMPS - 1]


def test_an_empty_path_idles_and_saves_half() -> None:
    quiet = play(Night(0, 36_000), Steady(0), 1, Random(1))
    assert quiet.walkers == 0
    assert quiet.mean_level == IDLE
    assert quiet.saving == pytest.approx(0.5)


def test_a_crowded_path_burns_as_if_there_were_no_sensors() -> None:
    busy = play(Night(0, 3600), Steady(3000), 1, Random(1))
    assert busy.mean_level == pytest.approx(FULL, abs=2)
    assert 0 <= busy.saving < 0.02


def test_each_walker_more_costs_light() -> None:
    savings = [play(Night(0, 36_000), Steady(rate), 1, Random(2)).saving for rate in (0, 2, 10, 50)]
    assert savings == sorted(savings, reverse=True)
    assert len(set(savings)) == len(savings)


def test_one_walker_costs_what_seven_lamps_for_their_walk_and_hold_do() -> None:
    class Once(Steady):
        def per_hour(self, street: float) -> float:
            return self.peak if 3590 <= street < 3600 else 0

    alone = next(
        outcome
        for outcome in (play(Night(0, 36_000), Once(3600), 0.1, Random(seed)) for seed in range(99))
        if outcome.walkers == 1
    )
    seconds = alone.full_share * LAMPS * 36_000 / LAMPS
    # Each lamp: from when the walker is three lamps away to the hold after the last that lights it.
    assert 60 + 6 * 22.7 / 1.7 <= seconds + 8 <= 60 + 6 * 22.7 / 1.0 + 8


@pytest.mark.parametrize("day", DAYS)
def test_nights_are_those_of_stockholm(day: date) -> None:
    dark = night(day.toordinal() - EPOCH)
    hours = (dark.ends - dark.begins) / 3600
    expected = {3: 11.9, 6: 5.4, 9: 11.8, 12: 17.9}[day.month]
    assert hours == pytest.approx(expected, abs=0.3)

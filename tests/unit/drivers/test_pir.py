import time as real_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers import pir
from tests.unit.drivers.wires import Level


class Time:
    @staticmethod
    def ticks_diff(later: int, earlier: int) -> int:
        return later - earlier


@pytest.fixture(autouse=True, scope="module")
def ticks() -> object:
    assert real_time is pir.time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pir, "time", Time)
        yield


class Pair:
    def __init__(self) -> None:
        self.pins = Level(), Level()
        self.part = pir.PirPair(*self.pins)
        self.now = 0

    def run(self, ms: int, a: int, b: int) -> list[bool]:
        self.pins[0].level, self.pins[1].level = a, b
        seen: list[bool] = []
        for _ in range(ms // 50):
            self.now += 50
            seen.append(self.part.poll(self.now))
        return seen


def test_a_movement_is_somebody_and_a_spike_is_not() -> None:
    pair = Pair()
    assert not any(pair.run(1000, 0, 0) + pair.run(50, 1, 0) + pair.run(1000, 0, 0))
    assert any(pair.run(2000, 1, 0))
    assert not any(pair.run(1000, 0, 0))


@pytest.mark.parametrize(("first", "direction"), [((1, 0), pir.AHEAD), ((0, 1), pir.BEHIND)])
def test_who_passes_both_walks_from_the_first_to_the_second(
    first: tuple[int, int], direction: int
) -> None:
    pair = Pair()
    pair.run(1500, *first)
    assert pair.part.direction == 0
    pair.run(1000, 1, 1)
    assert pair.part.direction == direction


def test_two_who_come_long_after_each_other_have_no_direction() -> None:
    pair = Pair()
    pair.run(2000, 1, 0)
    pair.run(8000, 0, 0)
    pair.run(2000, 0, 1)
    assert pair.part.direction == 0


def test_one_that_hangs_is_suspect_and_the_other_one_is_believed() -> None:
    pair = Pair()
    assert all(pair.run(500_000, 1, 0)[3:])
    pair.run(200_000, 1, 0)
    assert pair.part.suspect
    assert not any(pair.run(1000, 1, 0))
    assert any(pair.run(1000, 1, 1))
    pair.run(1000, 0, 0)
    assert not pair.part.suspect
    assert any(pair.run(1000, 1, 0))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(1, 60)), max_size=60))
def test_nobody_is_seen_without_a_line_high_for_a_tenth_of_a_second(
    levels: list[tuple[int, int, int]],
) -> None:
    pair = Pair()
    highs = [0, 0]
    for a, b, count in levels:
        pair.pins[0].level, pair.pins[1].level = a, b
        for _ in range(count):
            pair.now += 25
            highs = [high + 25 if level else 0 for high, level in zip(highs, (a, b), strict=True)]
            seen = pair.part.poll(pair.now)
            assert seen == any(high >= 125 for high in highs)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.lamp import arbiter
from protocol import records


def test_with_nobody_asking_the_lamp_is_full_on() -> None:
    assert arbiter.Arbiter().decide() == (100, records.REASON_DEFAULT)


@given(st.lists(st.none() | st.integers(0, 100), min_size=6, max_size=6))
def test_the_strongest_wish_wins_whatever_the_others_are(wishes: list[int | None]) -> None:
    judge = arbiter.Arbiter()
    for rank, level in enumerate(wishes):
        judge.wish(rank, level)
    strongest = [(level, rank) for rank, level in enumerate(wishes) if level is not None]
    assert judge.decide() == (strongest[-1] if strongest else (100, records.REASON_DEFAULT))


def test_reasons_are_ranked_as_the_design_says() -> None:
    ranks = [arbiter.DEFAULT, arbiter.PROGRAM, arbiter.SENSOR, arbiter.OVERRIDE, arbiter.FAILSAFE]
    assert ranks == sorted(ranks)
    names = [records.REASONS[rank] for rank in ranks]
    assert names == ["default", "program", "sensor", "override", "failsafe"]


def test_a_wish_taken_back_leaves_the_lamp_to_the_next() -> None:
    judge = arbiter.Arbiter()
    judge.wish(arbiter.PROGRAM, 30)
    judge.wish(arbiter.OVERRIDE, 0)
    assert judge.decide() == (0, records.REASON_OVERRIDE)
    judge.wish(arbiter.OVERRIDE, None)
    assert judge.decide() == (30, records.REASON_PROGRAM)


@pytest.mark.parametrize(("rank", "level"), [(0, 101), (0, -1), (6, 50), (-1, 50)])
def test_wishes_out_of_range_are_refused(rank: int, level: int) -> None:
    with pytest.raises(ValueError, match="expected 0 to"):
        arbiter.Arbiter().wish(rank, level)

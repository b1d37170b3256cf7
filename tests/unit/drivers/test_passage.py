from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.samplers.passage import AWAY, TOWARDS, A, B, Estimate, Passages, Zone
from simulators.world.counting import count
from simulators.world.walks import Mix, crowd


def walk(
    passage: Passages, path: str, start: int = 0, step: int = 50, height: int = 1300
) -> list[int]:
    """Counts of a path such as "- A AB B -": each state is looked at twice in each zone."""
    counted: list[int] = []
    elapsed = start
    for state in path.split():
        for zone, name in ((A, "A"), (B, "B")) * 2:
            elapsed += step
            passed = passage.update(zone, name in state, height, elapsed, step)
            if passed:
                counted.append(passed)
    return counted


def test_somebody_who_passes_is_counted_once_in_their_direction() -> None:
    assert walk(Passages(), "- A AB B -") == [TOWARDS]
    assert walk(Passages(), "- B AB A -") == [AWAY]


def test_two_one_after_the_other_are_two() -> None:
    assert walk(Passages(), "- A AB B - A AB B -") == [TOWARDS, TOWARDS]
    assert walk(Passages(), "- A AB B - B AB A -") == [TOWARDS, AWAY]


def test_somebody_who_turns_back_is_nobody() -> None:
    for path in ("- A -", "- A AB A -", "- B AB B -", "- A AB B AB A -"):
        assert walk(Passages(), path) == [], path


def test_somebody_who_hesitates_and_goes_on_is_one() -> None:
    assert walk(Passages(), "- A AB A AB B AB B -") == [TOWARDS]


def test_zones_covered_one_without_the_other_are_no_passage() -> None:
    assert walk(Passages(), "- A B -") == []
    assert walk(Passages(), "- A - B -") == []


def test_a_loiterer_blocks_the_path_until_gone_and_is_nobody() -> None:
    passage = Passages(stuck_ms=1000)
    assert walk(passage, "- A AB " + "AB " * 20) == []
    assert passage.blocked
    assert walk(passage, "B -", start=10_000) == []
    assert not passage.blocked
    assert walk(passage, "- A AB B -", start=20_000) == [TOWARDS]


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.booleans(), st.integers(0, 400))))
def test_any_looks_count_at_most_one_for_each_emptying(
    looks: list[tuple[int, bool, int]],
) -> None:
    passage = Passages()
    elapsed = 0
    for zone, occupied, gap in looks:
        elapsed += gap
        passed = passage.update(zone, occupied, 1300, elapsed, gap)
        assert passed in (0, TOWARDS, AWAY)
        assert not (passed and occupied)


def floor_of(zone: Zone, *distances: int) -> int:
    for distance in distances:
        zone.look(True, distance)
    return zone.floor


def test_a_zone_learns_its_pavement_and_tells_people_from_it() -> None:
    zone = Zone()
    assert floor_of(zone, *[3000] * 8) == 3000
    assert zone.look(True, 1300)
    assert zone.look(True, 2300)  # a child
    assert not zone.look(True, 2700)  # snow, a bag
    assert not zone.look(False, 500)  # nothing came back


def test_one_stray_reading_does_not_move_the_pavement() -> None:
    zone = Zone()
    assert floor_of(zone, *[3000] * 8, 4000, 3000, 4000, 4000, 2990) == 3000


def test_before_a_pavement_was_seen_only_what_is_near_is_somebody() -> None:
    zone = Zone()
    assert zone.look(True, 1300)
    assert not zone.look(True, 1600)


def test_a_pavement_is_learnt_anew_under_something_that_stays() -> None:
    zone = Zone()
    floor_of(zone, *[3000] * 8)
    assert zone.look(True, 2000)
    zone.relearn()
    floor_of(zone, *[2000] * 8)
    assert not zone.look(True, 2000)
    assert zone.look(True, 1400)


def test_who_follows_through_a_zone_that_was_clear_is_one_more() -> None:
    passages = Passages()
    assert walk(passages, "- A AB B AB B -") == [TOWARDS]
    assert passages.take()[:2] == (2, 0)


def test_who_hesitates_between_the_zones_is_no_second_one() -> None:
    passages = Passages()
    elapsed = 0
    # Zone A is found empty once while B is covered, then covered again by the same head.
    for zone, occupied in ((A, True), (B, True), (A, False), (B, True), (A, True), (B, True)):
        elapsed += 50
        passages.update(zone, occupied, 1300, elapsed, 50)
    assert walk(passages, "B -", start=elapsed) == [TOWARDS]
    assert passages.take()[:2] == (1, 0)


def met(height: int) -> tuple[int, ...]:
    """Counts after one of 1300 mm came in by A and one of `height` left by it."""
    passages = Passages()
    walk(passages, "- A AB")
    walk(passages, "A -", start=400, height=height)
    return passages.take()[:2]


def test_two_who_meet_below_are_told_from_one_who_turns_back_by_their_heights() -> None:
    assert met(1310) == (0, 0)
    assert met(1450) == (1, 0)


def test_time_in_which_nobody_could_be_told_apart_is_not_live() -> None:
    passages = Passages()
    walk(passages, "- - - -")
    assert passages.take() == (0, 0, 800, 800, 800)
    walk(passages, "A AB B -", start=800)
    towards, away, from_a, from_b, watched = passages.take()
    assert (towards, away, watched) == (1, 0, 800)
    # Somebody from B could not be told apart until all was empty; from A while only B was covered.
    assert from_b < from_a < watched


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 60_000), st.floats(0, 1)),
        max_size=40,
    ),
    st.integers(500, 2000),
)
def test_an_estimate_is_never_less_than_was_seen_nor_beyond_tenfold_and_loses_no_fraction(
    periods: list[tuple[int, int, int, float]], factor: int
) -> None:
    estimate = Estimate()
    seen = said = 0
    for towards, away, watched, live in periods:
        lived = int(watched * live)
        one, other, apart, share = estimate.people((towards, away, lived, lived, watched), factor)
        assert apart == towards + away
        assert 0 <= share <= 1000
        seen += apart
        said += one + other
    assert seen * factor // 1000 - 2 <= said <= 10 * seen * factor // 1000


@pytest.mark.soak
@pytest.mark.parametrize("rate", [10, 20, 30])
@pytest.mark.parametrize(
    "mix",
    [
        Mix("alone"),
        Mix("turning", turning=0.1),
        Mix("loiterers", loiterers=0.05),
        Mix("in file", pairs=0.25, in_step=0.0),
    ],
    ids=lambda mix: mix.name,
)
def test_ten_hours_of_any_crowd_are_counted_within_five_percent(mix: Mix, rate: int) -> None:
    truth = said = 0
    for seed in range(900, 910):
        people = crowd(Random(f"{mix.name} {rate} {seed}"), rate, 3600, mix)
        counted = count(people, 3620, Random(seed))
        truth += people.towards + people.away
        said += counted.towards + counted.away
    assert abs(said - truth) <= 0.05 * truth, (truth, said)


@pytest.mark.parametrize(
    ("mix", "bound"),
    [
        (Mix("alone"), 0.05),
        (Mix("turning", turning=0.1), 0.08),
        (Mix("loiterers", loiterers=0.05), 0.07),
        (Mix("in file", pairs=0.25, in_step=0.0), 0.07),
    ],
    ids=lambda value: value.name if isinstance(value, Mix) else "",
)
def test_half_an_hour_of_thirty_a_minute_is_counted(mix: Mix, bound: float) -> None:
    people = crowd(Random(mix.name), 30, 1800, mix)
    counted = count(people, 1820, Random(1))
    truth = people.towards + people.away
    assert abs(counted.towards + counted.away - truth) <= bound * truth
    assert abs(counted.towards - people.towards) <= 2 * bound * people.towards
    assert counted.apart < 0.8 * truth, "without live time a quarter would be missing"

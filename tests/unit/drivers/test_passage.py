from hypothesis import given
from hypothesis import strategies as st

from firmware.node.samplers.passage import AWAY, TOWARDS, A, B, Passage, Zone


def walk(passage: Passage, path: str, start: int = 0, step: int = 50) -> list[int]:
    """Counts of a path such as "- A AB B -": each state is looked at twice in each zone."""
    counted: list[int] = []
    elapsed = start
    for state in path.split():
        for zone, name in ((A, "A"), (B, "B")) * 2:
            elapsed += step
            passed = passage.update(zone, name in state, elapsed)
            if passed:
                counted.append(passed)
    return counted


def test_somebody_who_passes_is_counted_once_in_their_direction() -> None:
    assert walk(Passage(), "- A AB B -") == [TOWARDS]
    assert walk(Passage(), "- B AB A -") == [AWAY]


def test_two_one_after_the_other_are_two() -> None:
    assert walk(Passage(), "- A AB B - A AB B -") == [TOWARDS, TOWARDS]
    assert walk(Passage(), "- A AB B - B AB A -") == [TOWARDS, AWAY]


def test_somebody_who_turns_back_is_nobody() -> None:
    for path in ("- A -", "- A AB A -", "- B AB B -", "- A AB B AB A -"):
        assert walk(Passage(), path) == [], path


def test_somebody_who_hesitates_and_goes_on_is_one() -> None:
    assert walk(Passage(), "- A AB A AB B AB B -") == [TOWARDS]


def test_zones_covered_one_without_the_other_are_no_passage() -> None:
    assert walk(Passage(), "- A B -") == []
    assert walk(Passage(), "- A - B -") == []


def test_a_loiterer_blocks_the_path_until_gone_and_is_nobody() -> None:
    passage = Passage(stuck_ms=1000)
    assert walk(passage, "- A AB " + "AB " * 20) == []
    assert passage.blocked
    assert walk(passage, "B -", start=10_000) == []
    assert not passage.blocked
    assert walk(passage, "- A AB B -", start=20_000) == [TOWARDS]


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.booleans(), st.integers(0, 400))))
def test_any_looks_count_at_most_one_for_each_emptying(
    looks: list[tuple[int, bool, int]],
) -> None:
    passage = Passage()
    elapsed = 0
    for zone, occupied, gap in looks:
        elapsed += gap
        passed = passage.update(zone, occupied, elapsed)
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

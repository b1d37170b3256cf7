"""Where light goes for people on a street: ahead of them, at their pace, and not without end."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.groups.waves import Habits, Light, Pole, Street, Waves

COUNT = 40
REACH_M = 8.0  # of a sensor


def node(place: int) -> bytes:
    return bytes((1, 2, 3, 4, 5, place))


def street(spacing: float = 30.0, habits: Habits | None = None, count: int = COUNT) -> Street:
    return Street((Pole(node(n), n * spacing) for n in range(count)), habits or Habits())


def places(lights: Iterable[Light]) -> set[int]:
    return {light.node[5] for light in lights}


class Person:
    """Goes from `start` (m) at `speed` (m/s, negative: down the street) from `begin` (s) on."""

    def __init__(self, start: float, speed: float, begin: float = 0.0) -> None:
        self.start, self.speed, self.begin = start, speed, begin

    def at(self, now: float) -> float | None:
        return None if now < self.begin else self.start + self.speed * (now - self.begin)


class Night:
    """People on a street whose poles tell once a second while somebody is near."""

    def __init__(self, road: Street, spacing: float, people: list[Person]) -> None:
        self.road, self.spacing, self.people = road, spacing, people
        self.lit: dict[int, float] = {}  # by what was said
        self.told: dict[int, float] = {}
        self.frames = 0
        self.dark: list[tuple[int, float, Person]] = []
        self.passed: dict[int, list[int]] = {id(person): [] for person in people}
        self.seconds: list[int] = []

    def run(self, until: float, step: float = 0.1) -> None:
        for tick in range(round(until / step)):
            now = tick * step
            for place in range(len(self.road.nodes)):
                near = [one for one in self.people if self._near(one, place, now)]
                for person in near:
                    self._arrives(person, place, now)
                if near and now - self.told.get(place, -9.0) >= 1.0:
                    self.told[place] = now
                    self._sees(place, now)

    def _near(self, person: Person, place: int, now: float) -> bool:
        at = person.at(now)
        return at is not None and abs(at - place * self.spacing) <= REACH_M

    def _arrives(self, person: Person, place: int, now: float) -> None:
        passed = self.passed[id(person)]
        if place in passed:
            return
        passed.append(place)
        own = self.told.get(place, -999.0) > now - 10  # somebody else is there: it is lit
        if len(passed) > 2 and self.lit.get(place, -1.0) < now and not own:
            self.dark.append((place, now, person))

    def _sees(self, place: int, now: float) -> None:
        lights = self.road.seen(place, now)
        self.frames += bool(lights)
        for light in lights:
            assert place != light.node[5], "its own lamp needs no telling"
            assert 1 <= light.seconds <= 3600
            self.seconds.append(light.seconds)
            self.lit[light.node[5]] = max(self.lit.get(light.node[5], 0.0), now + light.seconds)


def test_somebody_who_turns_up_lights_both_ways_alike() -> None:
    assert places(street().seen(10, 0.0)) == {8, 9, 11, 12}
    assert places(street().seen(0, 0.0)) == {1, 2}, "the street ends there"
    assert places(street().seen(COUNT - 1, 0.0)) == {COUNT - 3, COUNT - 2}


@pytest.mark.parametrize("way", [1, -1])
def test_the_second_pole_tells_the_way_and_light_goes_ahead(way: int) -> None:
    road = street()
    road.seen(20, 0.0)
    assert places(road.seen(20 + way, 21.0)) == {20, 20 + 3 * way, 20 + 4 * way}, "2 is lit yet"
    later = places(road.seen(20 + 2 * way, 42.0))
    assert 20 + 5 * way in later
    assert not later & {20, 20 - way}, "who has gone on needs no light behind"


def test_who_is_fast_has_more_light_ahead_and_it_is_let_go_sooner() -> None:
    slow = Night(street(), 30.0, [Person(-20.0, 1.4)])
    slow.run(120)
    quick = Night(street(), 30.0, [Person(-20.0, 7.0)])
    quick.run(30)
    assert min(quick.seconds) < 20 < min(slow.seconds)


@given(
    speed=st.floats(0.8, 2.5) | st.floats(4.0, 8.0),
    spacing=st.floats(20, 50),
    up=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_the_light_is_there_before_who_walks(speed: float, spacing: float, up: bool) -> None:
    length = (COUNT - 1) * spacing
    person = Person(-20.0, speed) if up else Person(length + 20.0, -speed)
    night = Night(street(spacing), spacing, [person])
    night.run((12 * spacing + 20) / speed, 0.2)
    assert len(night.passed[id(person)]) > 8
    assert not night.dark


people = st.lists(
    st.builds(
        Person,
        start=st.floats(0, 600),
        speed=st.floats(0.8, 2.5) | st.floats(-2.5, -0.8) | st.floats(4, 8) | st.floats(-8, -4),
        begin=st.floats(0, 30),
    ),
    min_size=2,
    max_size=5,
)


@given(people=people)
@settings(max_examples=60, deadline=None)
def test_people_who_meet_and_overtake_all_have_light(people: list[Person]) -> None:
    night = Night(street(count=24), 30.0, people)
    night.run(120, 0.2)
    passed = sum(max(0, len(way) - 2) for way in night.passed.values())
    # Nobody is told apart: where paths cross, one lamp may come on no sooner than by its sensor.
    assert len(night.dark) <= 1 + passed // 25, night.dark


def test_who_turns_back_has_light_that_way_too() -> None:
    road = street()
    for step in range(4):
        road.seen(10 + step, 21.0 * step)
    # Stands at 13 for a while, and goes back.
    for second in range(64, 100):
        road.seen(13, float(second))
    assert places(road.seen(12, 121.0)) & {10, 11}
    assert places(road.seen(11, 142.0)) >= {8, 9}


def test_who_stands_still_costs_a_frame_now_and_then() -> None:
    road, frames = street(), 0
    lit: dict[int, float] = {}
    for second in range(1200):
        lights = road.seen(10, float(second))
        frames += bool(lights)
        lit.update({light.node[5]: second + light.seconds for light in lights})
        assert all(lit[place] >= second for place in (8, 9, 11, 12)), second
    assert frames <= 60
    assert road.walkers == 1


def test_who_is_gone_is_forgotten() -> None:
    road = street()
    road.seen(5, 0.0)
    road.seen(30, 130.0)
    assert road.walkers == 1


def test_two_poles_that_see_the_same_person_send_it_no_way() -> None:
    road = street(15.0)
    road.seen(10, 0.0)
    assert places(road.seen(11, 0.1)) <= {8, 9, 12, 13}
    assert road.walkers == 1


def test_a_follower_does_not_turn_the_light_of_who_is_in_front() -> None:
    road = street()
    for step in range(3):
        road.seen(10 + step, 21.0 * step)
    road.seen(11, 60.0)  # somebody behind, at the pole before
    assert 16 in places(road.seen(13, 63.0)), "still ahead of the first"


@given(
    st.lists(st.tuples(st.integers(0, COUNT - 1), st.floats(0, 30, allow_nan=False)), max_size=300),
    st.builds(
        Habits,
        around=st.integers(0, 10),
        ahead=st.integers(0, 10),
        behind=st.integers(0, 10),
        lookahead_s=st.floats(0, 60),
        hold_most_s=st.integers(10, 3600),
    ),
    st.sampled_from([0.0, 0.1, 30.0, 500.0]),
)
@settings(max_examples=100, deadline=None)
def test_whatever_is_seen_memory_and_holds_are_bounded(
    seen: list[tuple[int, float]], habits: Habits, spacing: float
) -> None:
    road, now = street(spacing, habits), 0.0
    for place, pause in seen:
        now += pause
        for light in road.seen(place, now):
            assert 1 <= light.seconds <= habits.hold_most_s
            assert light.node in road.nodes
            assert light.node != road.nodes[place]
        assert road.walkers <= 64


def test_a_street_goes_on_across_buses_and_poles_count_by_position() -> None:
    waves = Waves(
        {"high": [Pole(node(1), 90.0), Pole(node(2), 30.0), Pole(node(3), 60.0)],
         "low": [Pole(node(4), 0.0)]},
        Habits(around=1),
    )  # fmt: skip
    assert places(waves.seen(node(2), 0.0)) == {3}
    assert places(waves.seen(node(1), 100.0)) == {3}
    assert waves.seen(node(4), 0.0) == []
    assert waves.seen(node(9), 0.0) == [], "on no street"

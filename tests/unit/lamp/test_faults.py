"""Faults of a lamp, from samples of its power under a command that changes."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.node.lamp import dali, faults
from protocol import records
from simulators.parts.luminaire import Luminaire

RATED = 600  # 0.1 W
STANDBY = 10
DELAY = 60
DAY = 0
PROGRAM = (100, 50, 100, 30, 100, DAY, 100, 70, DAY)
VOLTS = 2300


class Street:
    """A lamp that is sampled each second while it is steady, and what was told of it."""

    def __init__(self, rated: int = RATED, noise: float = 0.0, seed: int = 0) -> None:
        self.lamp = Luminaire(rated_watts=60)
        self.told: list[tuple[int, ...]] = []
        self.faults = faults.Faults(lambda *fault: self.told.append(fault))
        self.faults.configure(rated, STANDBY, 20, DELAY)
        self.now = 1000
        self.volts = VOLTS
        self._noise = noise
        self._random = random.Random(seed)

    def hold(self, level: int, seconds: int = 200, every: int = 1) -> None:
        """Command `level` and take the samples of so many seconds."""
        light = dali.duty(dali.arc_level(level))
        self.lamp.pwm(light)
        self.lamp.relay(level > 0)
        for _ in range(0, seconds, every):
            self.now += every
            watts = self.lamp.power_watts(self.volts / 10)
            power = max(0, round(10 * watts * self._random.gauss(1, self._noise)))
            self.faults.sample(self.now, level, light, power, self.volts)

    def night(self, *levels: int) -> None:
        for level in levels or PROGRAM:
            self.hold(level)

    @property
    def raised(self) -> list[int]:
        return [fault for fault in records.FAULTS if self.faults.raised(fault)]

    def events(self) -> list[tuple[int, int]]:
        return [(fault[0], fault[1]) for fault in self.told]


@pytest.mark.parametrize("rated", [RATED, 0])
def test_a_lamp_that_is_well_has_no_fault(rated: int) -> None:
    street = Street(rated)
    for _ in range(3):
        street.night()
        street.night(*range(0, 101, 5))
    assert street.told == []


def test_a_dead_lamp_is_told_once_it_has_been_dead_for_the_delay_with_evidence() -> None:
    street = Street()
    street.hold(100)
    street.lamp.failed = True
    street.hold(100, DELAY)
    assert street.told == []
    street.hold(100, 2)
    assert street.told == [(records.FAULT_LAMP, 1, 100, 24, 600, VOLTS)]
    street.night()
    assert len(street.told) == 1, "neither by day nor at another level"
    street.lamp.failed = False
    street.hold(100, DELAY + 2)
    assert street.events() == [(records.FAULT_LAMP, 1), (records.FAULT_LAMP, 0)]
    assert street.told[1][3] == 600


def test_an_unrated_lamp_is_dead_when_it_draws_nothing() -> None:
    street = Street(rated=0)
    street.night()
    street.lamp.stuck_open = True
    street.night()
    assert street.raised == [records.FAULT_LAMP, records.FAULT_RELAY]
    street.lamp.stuck_open = False
    street.night()
    assert street.raised == []


def test_a_relay_that_does_not_close_is_told_beside_the_dark_lamp() -> None:
    street = Street()
    street.lamp.stuck_open = True
    street.night()
    assert street.events() == [(records.FAULT_LAMP, 1), (records.FAULT_RELAY, 1)]
    street.lamp.stuck_open = False
    street.night()
    assert street.raised == []


def test_a_relay_that_does_not_open_is_told_by_day_and_stands_through_the_night() -> None:
    street = Street()
    street.lamp.stuck_on = True
    for _ in range(3):
        street.night()
    assert street.events() == [(records.FAULT_RELAY, 1)]
    assert street.told[0][2:5] == (0, 36, STANDBY)
    street.lamp.stuck_on = False
    street.night()
    assert street.raised == []


def test_a_day_burner_is_told_by_day_and_cleared_by_the_next_dark_day() -> None:
    street = Street()
    street.lamp.stuck_on = True
    street.lamp.stuck_duty = 65535
    street.night(100, DAY, 100, DAY)
    assert street.events() == [(records.FAULT_DAY_BURNER, 1)]
    assert street.told[0][2:5] == (0, 600, STANDBY)
    street.lamp.stuck_on = False
    street.lamp.stuck_duty = None
    street.night(100)
    assert street.raised == [records.FAULT_DAY_BURNER]
    street.night(DAY)
    assert street.raised == []


def test_a_lamp_that_does_not_dim_is_told_of_as_such_and_only_once() -> None:
    for stuck in (65535, 20000):
        street = Street()
        street.night()
        street.lamp.stuck_duty = stuck
        for _ in range(3):
            street.night()
        assert street.raised == [records.FAULT_DIMMING]
        raised = [fault for fault, up in street.events() if up]
        assert raised.count(records.FAULT_DIMMING) == 1, street.events()
        street.lamp.stuck_duty = None
        street.night()
        assert street.raised == []


def test_a_lamp_stuck_at_full_is_known_from_its_first_dimmed_hour() -> None:
    street = Street()
    street.lamp.stuck_duty = 65535
    street.hold(50)
    assert street.events() == [(records.FAULT_DIMMING, 1)]


@pytest.mark.parametrize(
    ("scale", "fault"),
    [
        (1.3, records.FAULT_POWER_HIGH),
        (1.6, records.FAULT_POWER_HIGH),
        (0.7, records.FAULT_POWER_LOW),
        (0.5, records.FAULT_POWER_LOW),
    ],
)
def test_power_that_is_off_is_told_and_cleared(scale: float, fault: int) -> None:
    street = Street()
    street.night()
    street.hold(100)
    street.lamp.power_scale = scale
    street.hold(100)
    assert street.events() == [(fault, 1)]
    street.night(50, 100, 50, 100)
    assert street.raised == [fault]
    assert records.FAULT_DIMMING not in [told[0] for told in street.told]
    street.lamp.power_scale = 1.0
    street.night()
    assert street.raised == []


def test_a_cycling_lamp_is_told_as_cycling_and_not_as_dead() -> None:
    street = Street()
    street.lamp.out = lambda: street.now % 120 < 40
    street.hold(100, 1200)
    assert street.events() == [(records.FAULT_CYCLING, 1)]
    street.lamp.out = None
    street.hold(100, 1200)
    assert street.raised == []


def test_a_lamp_that_cycles_slowly_is_told_dead_no_more_once_it_is_known() -> None:
    street = Street()
    street.lamp.out = lambda: street.now % 180 < 90
    street.hold(100, 1800)
    events = street.events()
    known = events.index((records.FAULT_CYCLING, 1))
    assert (records.FAULT_LAMP, 1) in events[:known]
    assert events[known + 1 :] in ([], [(records.FAULT_LAMP, 0)])
    assert street.raised == [records.FAULT_CYCLING]


def test_odd_readings_are_no_cycle() -> None:
    for failed in (False, True):
        street = Street()
        street.lamp.failed = failed
        street.hold(100, 100)
        for _ in range(30):
            street.lamp.failed = not failed
            street.hold(100, 1)
            street.lamp.failed = failed
            street.hold(100, 20)
        assert records.FAULT_CYCLING not in [fault for fault, _ in street.events()]


def test_a_lamp_that_is_commanded_off_and_on_does_not_cycle() -> None:
    street = Street()
    for _ in range(6):
        street.lamp.failed = True
        street.hold(100, 30)
        street.hold(DAY, 10)
        street.lamp.failed = False
        street.hold(100, 30)
        street.hold(DAY, 10)
    assert street.told == []


def test_what_hovers_about_the_limit_is_told_once() -> None:
    street = Street()
    for scale in (1.22, 1.17, 1.22, 1.17, 1.22):
        street.lamp.power_scale = scale
        street.hold(100)
    assert street.events() == [(records.FAULT_POWER_HIGH, 1)]
    street.lamp.power_scale = 1.1
    street.hold(100)
    assert street.raised == []


def test_a_lamp_that_came_back_once_does_not_cycle() -> None:
    street = Street()
    for _ in range(2):
        street.lamp.failed = True
        street.hold(100, 30)
        street.lamp.failed = False
        street.hold(100, 30)
    street.hold(100, 600)
    assert street.told == []


def test_low_mains_is_its_own_fault_and_hides_none_of_the_lamps() -> None:
    street = Street()
    street.hold(100)
    street.volts = 1700
    street.hold(100)
    assert street.events() == [(records.FAULT_SUPPLY, 1)]
    street.volts = 800  # the driver gives up, the node does not
    street.hold(100)
    assert street.raised == [records.FAULT_SUPPLY]
    street.volts = VOLTS
    street.hold(100)
    assert street.raised == []


def test_a_net_of_120_volts_is_not_low_and_has_its_own_limit() -> None:
    street = Street()
    street.volts = 1180
    street.night()
    assert street.told == []
    street.volts = 920
    street.hold(100)
    assert street.raised == [records.FAULT_SUPPLY]


@pytest.mark.parametrize("fault", ["failed", "stuck_open"])
def test_what_passes_within_the_delay_is_not_told(fault: str) -> None:
    street = Street()
    for seconds in (1, DELAY // 2, DELAY - 2):
        setattr(street.lamp, fault, True)
        street.hold(100, seconds)
        setattr(street.lamp, fault, False)
        street.hold(100, 5000)
    assert street.told == []


def test_samples_far_apart_need_to_agree_three_times() -> None:
    street = Street()
    street.lamp.failed = True
    street.hold(100, 600, every=300)
    assert street.told == []
    street.hold(100, 300, every=300)
    assert street.raised == [records.FAULT_LAMP]


def test_after_a_gap_a_decision_begins_anew() -> None:
    street = Street()
    street.lamp.failed = True
    street.hold(100, 50)
    street.now += 10_000
    street.faults.forget()
    street.hold(100, 50)
    assert street.told == []
    street.hold(100, 12)
    assert street.raised == [records.FAULT_LAMP]


def test_what_cannot_be_judged_any_more_is_cleared() -> None:
    street = Street()
    street.lamp.power_scale = 1.5
    street.hold(100)
    assert street.raised == [records.FAULT_POWER_HIGH]
    street.faults.configure(0, STANDBY, 20, DELAY)
    street.hold(100)
    assert street.raised == []


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 1000),
    st.floats(0, 0.03),
    st.lists(st.sampled_from([0, 10, 20, 35, 50, 75, 100]), min_size=3, max_size=8),
    st.sampled_from([100, 250, 600, 1500]),
)
def test_a_noisy_meter_alone_raises_nothing(
    seed: int, noise: float, levels: list[int], rated: int
) -> None:
    street = Street(rated, noise, seed)
    street.lamp.rated_watts = rated / 10
    street.night(*levels)
    assert street.told == []


BROKEN: dict[str, tuple[Callable[[Luminaire], None], int]] = {
    "dead": (lambda lamp: setattr(lamp, "failed", True), records.FAULT_LAMP),
    "open": (lambda lamp: setattr(lamp, "stuck_open", True), records.FAULT_RELAY),
    "stuck": (lambda lamp: setattr(lamp, "stuck_duty", 65535), records.FAULT_DIMMING),
    "high": (lambda lamp: setattr(lamp, "power_scale", 1.5), records.FAULT_POWER_HIGH),
    "low": (lambda lamp: setattr(lamp, "power_scale", 0.6), records.FAULT_POWER_LOW),
}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 0.03), st.sampled_from(sorted(BROKEN)))
def test_a_fault_is_found_through_noise_and_its_repair_too(
    seed: int, noise: float, name: str
) -> None:
    street = Street(RATED, noise, seed)
    street.night(100, 50)
    break_it, fault = BROKEN[name]
    break_it(street.lamp)
    street.night(50, 100, 50)
    assert fault in street.raised
    street.lamp = Luminaire(rated_watts=60)
    street.night(100, 50, 100, DAY, 50)
    assert street.raised == []


@given(
    st.lists(
        st.tuples(
            st.integers(0, 600),
            st.integers(0, 100),
            st.integers(0, 65535),
            st.integers(0, 100_000),
            st.integers(0, 10_000),
        ),
        max_size=60,
    ),
    st.integers(0, 65535),
    st.integers(0, 1000),
)
def test_any_samples_at_all_raise_and_clear_in_turn(
    samples: list[tuple[int, int, int, int, int]], rated: int, standby: int
) -> None:
    told: list[tuple[int, ...]] = []
    judge = faults.Faults(lambda *fault: told.append(fault))
    judge.configure(rated, standby, 20, 5)
    now = 0
    for passed, level, light, power, voltage in samples:
        now += passed
        judge.sample(now, level, light, power, voltage)
    for fault in records.FAULTS:
        ups = [entry[1] for entry in told if entry[0] == fault]
        assert ups == [1, 0] * (len(ups) // 2) + [1] * (len(ups) % 2)
        assert judge.raised(fault) == bool(len(ups) % 2)


def test_expectation_is_a_line_from_standby_to_rated() -> None:
    assert faults.expected(600, 10, 0) == 10
    assert faults.expected(600, 10, 65535) == 600
    assert faults.expected(600, 10, 32768) == 305
    assert faults.expected(0, 10, 65535) == 10

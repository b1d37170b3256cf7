"""The particulate task on models of every sensor, in virtual time: its means, and its troubles."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from firmware.node.drivers.pms5003 import Pms5003 as Pms5003Driver
from firmware.node.drivers.sds011 import Sds011 as Sds011Driver
from firmware.node.drivers.sen5x import Sen5x as Sen5xDriver
from firmware.node.drivers.sps30 import Sps30 as Sps30Driver
from firmware.node.samplers.air import AirSampler
from firmware.node.samplers.conditions import Conditions
from protocol import records
from simulators.parts import Air, SteadySurroundings
from simulators.parts.pms5003 import Pms5003
from simulators.parts.sds011 import Sds011
from simulators.parts.sen5x import Sen5x
from simulators.parts.sps30 import Sps30
from tests.unit.drivers.bench import Bench, Bus, Port, Settings

LOST = (records.EVENT_SENSOR_LOST, records.AIR)
BACK = (records.EVENT_SENSOR_BACK, records.AIR)
SUSPECT = (records.EVENT_SENSOR_SUSPECT, records.AIR)
AIR = Air(4.0, 8.0, 12.0)


@dataclass(frozen=True)
class Record:
    """An AIR record by the names of its fields."""

    period: int
    count: int
    coverage: int
    pm1: int
    pm25: int
    pm10: int
    pm25_min: int
    pm25_max: int
    pm25_corrected: int
    flags: int

    @property
    def means(self) -> tuple[int, ...]:
        return self.pm1, self.pm25, self.pm10, self.pm25_min, self.pm25_max


def air_of(bench: Bench) -> list[Record]:
    return [Record(*values) for values in bench.kinds(records.AIR)]


@dataclass
class Post:
    """A sampler, the model at its far end, and the wire between them."""

    sampler: AirSampler
    part: Any
    wire: Any
    conditions: Conditions


MODELS: dict[str, tuple[Any, Any, Any]] = {
    "PMS5003": (Pms5003, Port, Pms5003Driver),
    "SDS011": (Sds011, Port, Sds011Driver),
    "SPS30": (Sps30, Bus, Sps30Driver),
    "SEN5x": (Sen5x, Bus, Sen5xDriver),
}
EVERY = pytest.mark.parametrize("name", MODELS)


def post(bench: Bench, name: str = "PMS5003", air: Air = AIR, random: Random | None = None) -> Post:
    model, wire, driver = MODELS[name]
    part = model(SteadySurroundings(air), bench.machine, random)
    line = wire(bench, part) if wire is Port else wire(part)
    conditions = Conditions()
    sampler = AirSampler(driver(line), bench, bench, Settings(bench), conditions)
    return Post(sampler, part, line, conditions)


def means(name: str) -> tuple[int, int, int, int, int]:
    return 0 if name == "SDS011" else 40, 80, 120, 80, 80


def expected_flags(name: str) -> int:
    return records.FLAG_NO_PM1 if name == "SDS011" else 0


# ------------------------------------------------------------------------------ means


@EVERY
def test_each_period_has_its_mean_and_the_first_half_minute_is_thrown_away(
    bench: Bench, name: str
) -> None:
    at = post(bench, name)
    bench.run(at.sampler, 29.9)
    assert bench.log == []
    assert at.sampler.healthy
    bench.run(at.sampler, 155)
    found = air_of(bench)
    assert len(found) == 2
    for one in found:
        assert 60 <= one.period <= 61
        assert 55 <= one.count <= 62
        assert one.coverage >= 950
        assert one.means == means(name)
        assert one.pm25_corrected == 80
        assert one.flags == expected_flags(name)


@EVERY
def test_means_follow_the_air_and_keep_its_extremes(bench: Bench, name: str) -> None:
    at = post(bench, name, Air(20, 40, 60), Random(3))
    bench.run(at.sampler, 98)
    (one,) = air_of(bench)
    assert one.count > 50
    assert one.pm1 == 0 if name == "SDS011" else abs(one.pm1 - 200) < 10
    assert abs(one.pm25 - 400) < 15
    assert abs(one.pm10 - 600) < 20
    assert one.pm25_min < one.pm25 < one.pm25_max


def test_a_street_340_times_as_fast_has_few_samples_and_right_means(fast_bench: Bench) -> None:
    fast_bench.values["air/period"] = 900
    at = post(fast_bench)
    fast_bench.run(at.sampler, 60)
    found = air_of(fast_bench)
    assert 9 <= len(found) <= 12
    for one in found:
        assert 900 <= one.period < 1100
        assert 2 <= one.count <= 4
        assert one.means == means("PMS5003")
        assert one.coverage >= 900
        assert one.flags == 0


def test_a_period_shorter_than_the_sensors_pace_waits_for_a_sample(fast_bench: Bench) -> None:
    at = post(fast_bench)  # 60 s of the street are 0.18 s
    fast_bench.run(at.sampler, 60)
    found = air_of(fast_bench)
    assert 28 <= len(found) <= 30
    assert all(one.count == 1 and 300 <= one.period <= 400 for one in found[1:])


def test_a_period_that_makes_no_sense_is_the_default(bench: Bench) -> None:
    bench.values["air/period"] = -5
    at = post(bench)
    bench.run(at.sampler, 95)
    assert [one.period for one in air_of(bench)] == [60]


def test_coverage_is_the_share_of_the_time_that_samples_stand_for(bench: Bench) -> None:
    at = post(bench, "SPS30")

    def silent_for_a_while() -> None:
        at.part.absent = 50_000 <= bench.ms < 52_000
        if bench.ms in (60_000, 80_000):
            at.part.write(b"\x56\x07")  # the fan is cleaned: no samples for 10 s

    bench.each = silent_for_a_while
    bench.run(at.sampler, 98)
    (one,) = air_of(bench)
    assert 650 < one.coverage < 750
    assert one.flags == records.FLAG_LOW_COVERAGE
    assert bench.kinds(records.EVENT) == []


# ------------------------------------------------------------------------------ correction


def test_epas_correction_is_of_cf_1_and_humidity(bench: Bench) -> None:
    bench.values["air/correction"] = 1
    at = post(bench, air=Air(50, 100, 120))
    bench.each = lambda: at.conditions.update(1500, 6000) if bench.ms % 1000 == 0 else None
    bench.run(at.sampler, 95)
    (one,) = air_of(bench)
    # CF = 1 says 150 where the air has 100: 0.524 * 150 - 0.0862 * 60 + 5.75 = 79.2
    assert (one.pm25, one.pm25_corrected, one.flags) == (1000, 792, 0)


def test_kappa_koehler_dries_the_particles(bench: Bench) -> None:
    bench.values["air/correction"] = 2
    at = post(bench, "SPS30", air=Air(50, 100, 120))
    bench.each = lambda: at.conditions.update(1500, 8000) if bench.ms % 1000 == 0 else None
    bench.run(at.sampler, 98)
    (one,) = air_of(bench)
    # 100 / (1 + 0.4 / 1.65 / (1 / 0.8 - 1)) = 50.8
    assert (one.pm25, one.pm25_corrected, one.flags) == (1000, 508, 0)


@pytest.mark.parametrize("model", [1, 2])
def test_without_a_humidity_of_now_nothing_is_corrected_and_the_record_says_so(
    bench: Bench, model: int
) -> None:
    bench.values["air/correction"] = model
    at = post(bench)
    bench.each = lambda: at.conditions.update(1500, 8000) if bench.ms == 30_000 else None
    bench.run(at.sampler, 155)
    first, second = air_of(bench)
    assert first.pm25 == first.pm25_corrected == second.pm25_corrected == 80
    assert second.flags == records.FLAG_NO_HUMIDITY


# ------------------------------------------------------------------------------ silence


@EVERY
def test_a_dead_sensor_is_told_once_and_logs_nothing(bench: Bench, name: str) -> None:
    at = post(bench, name)
    at.part.absent = True
    bench.run(at.sampler, 600)
    assert bench.log == [(records.EVENT, LOST)]
    assert not at.sampler.healthy


@EVERY
def test_a_sensor_that_comes_back_settles_again_before_it_counts(bench: Bench, name: str) -> None:
    at = post(bench, name)

    def events() -> None:
        at.part.absent = 100_000 <= bench.ms < 160_000
        if bench.ms == 160_000:
            at.part.brown_out()

    bench.each = events
    bench.run(at.sampler, 400)
    assert bench.kinds(records.EVENT) == [LOST, BACK]
    found = air_of(bench)
    assert len(found) >= 3
    assert all(one.means == means(name) for one in found)
    # What was sampled before the silence is a record too, of its shorter period.
    assert any(one.count < 50 for one in found)
    assert [bool(one.flags & records.FLAG_RESTARTED) for one in found].count(True) == 1


@EVERY
def test_a_sensor_that_browned_out_for_a_moment_is_noticed_and_settles_again(
    bench: Bench, name: str
) -> None:
    at = post(bench, name)

    def dip() -> None:
        if bench.ms == 70_000:
            at.part.brown_out()

    bench.each = dip
    bench.run(at.sampler, 260)
    found = air_of(bench)
    assert len(found) >= 2
    assert all(one.means == means(name) for one in found), "it counted while settling"
    assert any(one.flags & records.FLAG_RESTARTED for one in found)
    assert at.sampler.healthy


def test_a_port_that_fails_is_as_good_as_silence(bench: Bench) -> None:
    at = post(bench)

    def events() -> None:
        at.wire.broken = bench.ms < 20_000

    bench.each = events
    bench.run(at.sampler, 150)
    assert bench.kinds(records.EVENT) == [LOST, BACK]
    assert len(air_of(bench)) == 1


def test_a_sensor_left_asleep_is_woken(bench: Bench) -> None:
    at = post(bench)
    at.part.receive(bytes.fromhex("424de400000173"))
    bench.run(at.sampler, 95)
    assert len(air_of(bench)) == 1


def test_one_failed_transaction_costs_a_sample_and_nothing_else(bench: Bench) -> None:
    at = post(bench, "SEN5x")

    def glitch() -> None:
        at.part.absent = bench.ms % 7000 < 30

    bench.each = glitch
    bench.run(at.sampler, 160)
    assert bench.kinds(records.EVENT) == []
    assert len(air_of(bench)) == 2


# ------------------------------------------------------------------------------ nonsense


def test_noise_on_the_line_costs_frames_and_nothing_else(bench: Bench) -> None:
    at = post(bench)
    random = Random(5)

    def noise() -> None:
        if bench.ms % 1700 == 0:
            at.wire.noise = random.randbytes(20)

    bench.each = noise
    bench.run(at.sampler, 155)
    assert len(air_of(bench)) == 2
    assert bench.kinds(records.EVENT) == []
    assert all(one.means == means("PMS5003") for one in air_of(bench))


@EVERY
def test_a_part_that_babbles_is_suspected_restarted_and_believed_again(
    bench: Bench, name: str
) -> None:
    at = post(bench, name)

    def babble() -> None:
        at.part.babbling = 100_000 <= bench.ms < 200_000

    bench.each = babble
    bench.run(at.sampler, 130)
    assert bench.kinds(records.EVENT) == [SUSPECT], "noticed within 30 s"
    assert not at.sampler.healthy
    bench.run(at.sampler, 400)
    assert bench.kinds(records.EVENT)[0] == SUSPECT
    assert bench.kinds(records.EVENT)[-1] == BACK
    assert at.sampler.healthy
    assert all(one.means == means(name) for one in air_of(bench))


@EVERY
def test_a_part_that_freezes_is_suspected_flagged_and_restarted(bench: Bench, name: str) -> None:
    at = post(bench, name, random=Random(1))

    def freeze() -> None:
        if bench.ms == 100_000:
            at.part.frozen = True

    bench.each = freeze
    bench.run(at.sampler, 980)
    assert bench.kinds(records.EVENT) == [SUSPECT, BACK]
    assert not at.part.frozen, "a restart cures it"
    flagged = [one.flags for one in air_of(bench) if one.flags & records.FLAG_FROZEN]
    assert len(flagged) == 1
    assert air_of(bench)[-1].flags == expected_flags(name)


def test_a_part_that_stays_frozen_stays_flagged_and_is_told_once(bench: Bench) -> None:
    at = post(bench, random=Random(1))

    def freeze() -> None:
        at.part.frozen = bench.ms > 100_000

    bench.each = freeze
    bench.run(at.sampler, 1600)
    assert bench.kinds(records.EVENT) == [SUSPECT]
    after = list(air_of(bench))[12:]
    assert after
    assert all(one.flags & records.FLAG_FROZEN for one in after)


def test_clean_air_in_whole_micrograms_is_not_called_frozen_so_soon(bench: Bench) -> None:
    at = post(bench, air=Air(0, 0, 0))
    bench.run(at.sampler, 1800)
    assert bench.kinds(records.EVENT) == []
    bench.run(at.sampler, 2000)
    assert SUSPECT in bench.kinds(records.EVENT)


@EVERY
def test_samples_out_of_range_are_left_out_and_if_they_last_suspected(
    bench: Bench, name: str
) -> None:
    at = post(bench, name)

    def lie() -> None:
        mad = 50_000 <= bench.ms < 55_000 or 100_000 <= bench.ms < 180_000
        at.part.lying = Air(3000, 5000, 6000) if mad else None

    bench.each = lie
    bench.run(at.sampler, 98)
    (first,) = air_of(bench)
    assert first.means == means(name)
    assert first.flags & records.FLAG_OUT_OF_RANGE
    assert bench.kinds(records.EVENT) == []
    bench.run(at.sampler, 66)
    assert bench.kinds(records.EVENT) == [SUSPECT]
    bench.run(at.sampler, 300)
    assert bench.kinds(records.EVENT) == [SUSPECT, BACK]
    assert all(one.means == means(name) for one in air_of(bench))


@pytest.mark.parametrize("name", ["SPS30", "SEN5x"])
def test_a_part_that_reports_its_own_fault_is_flagged(bench: Bench, name: str) -> None:
    at = post(bench, name)
    at.part.status = 0x10  # the fan
    bench.run(at.sampler, 98)
    assert [one.flags for one in air_of(bench)] == [records.FLAG_PART_FAULT]


# ------------------------------------------------------------------------------ rest


@EVERY
def test_between_two_records_fan_and_laser_rest(bench: Bench, name: str) -> None:
    bench.values["air/rest"] = 300
    at = post(bench, name)
    running: list[int] = []

    def look() -> None:
        if bench.ms % 1000 == 0:
            running.append(runs(at.part))

    bench.each = look
    bench.run(at.sampler, 30 + 60 + 300 + 30 + 60 + 20)
    found = air_of(bench)
    assert [replace(one, count=0, coverage=0) for one in found] == [
        Record(one.period, 0, 0, *means(name), 80, expected_flags(name)) for one in found
    ]
    assert len(found) == 2
    assert all(60 <= one.period <= 62 and one.coverage >= 950 for one in found)
    assert 170 <= sum(running) <= 200, "it ran but for settling and measuring"
    assert bench.kinds(records.EVENT) == []


def runs(part: Any) -> int:
    """Whether the model's fan runs."""
    if isinstance(part, Sps30 | Sen5x):
        return int(part.fan)
    return int(part.awake)


@EVERY
def test_a_part_that_died_in_its_rest_is_noticed_after_it(bench: Bench, name: str) -> None:
    bench.values["air/rest"] = 300
    at = post(bench, name)

    def die() -> None:
        at.part.absent = bench.ms > 200_000

    bench.each = die
    bench.run(at.sampler, 450)
    assert bench.kinds(records.EVENT) == [LOST]


def test_the_node_checks_in_through_everything(bench: Bench) -> None:
    """`Bench.run` bounds the silence; here the part goes from one trouble to the next."""
    bench.values["air/rest"] = 60
    at = post(bench, random=Random(2))
    troubles: list[Callable[[bool], None]] = [
        lambda on: setattr(at.part, "absent", on),
        lambda on: setattr(at.part, "babbling", on),
        lambda on: setattr(at.part, "lying", Air(9999, 9999, 9999) if on else None),
    ]

    def trouble() -> None:
        if bench.ms % 40_000 == 0:
            for index, put in enumerate(troubles):
                put(bench.ms // 40_000 % 7 == index)

    bench.each = trouble
    bench.run(at.sampler, 3000)
    assert bench.longest_silence <= 2000

from random import Random

from firmware.node.samplers.air import AirSampler
from protocol import records
from simulators.parts import Air, SteadySurroundings
from simulators.parts.pms5003 import Pms5003
from tests.unit.drivers.bench import Bench, Port, Settings

LOST = (records.EVENT_SENSOR_LOST, records.AIR)
BACK = (records.EVENT_SENSOR_BACK, records.AIR)


def lamppost(
    bench: Bench, air: Air | None = None, random: Random | None = None
) -> tuple[AirSampler, Pms5003, Port]:
    world = SteadySurroundings(air or Air(4.0, 8.0, 12.0))
    part = Pms5003(world, bench.machine, random)
    port = Port(bench, part)
    return AirSampler(port, bench, bench, Settings(bench)), part, port


def test_each_period_has_its_mean_and_the_first_half_minute_is_thrown_away(bench: Bench) -> None:
    sampler, _, _ = lamppost(bench)
    bench.run(sampler, 29.9)
    assert bench.log == []
    assert sampler.healthy
    bench.end += 125_000
    bench.log.clear()
    bench.run(sampler, 155)
    found = bench.kinds(records.AIR)
    assert len(found) == 2
    for period, count, *values in found:
        assert 60 <= period <= 61
        assert 58 <= count <= 62
        assert values == [40, 80, 120, 80, 80]  # nothing of the settling


def test_means_follow_the_air_and_keep_its_extremes(bench: Bench) -> None:
    sampler, _, _ = lamppost(bench, Air(20, 40, 60), Random(3))
    bench.run(sampler, 95)
    ((_, count, pm1, pm25, pm10, least, greatest),) = bench.kinds(records.AIR)
    assert count > 50
    assert abs(pm1 - 200) < 10
    assert abs(pm25 - 400) < 15
    assert abs(pm10 - 600) < 20
    assert least < pm25 < greatest


def test_a_street_340_times_as_fast_has_few_samples_and_right_means(fast_bench: Bench) -> None:
    fast_bench.values["air/period"] = 900
    sampler, _, _ = lamppost(fast_bench)
    fast_bench.run(sampler, 60)
    found = fast_bench.kinds(records.AIR)
    assert 9 <= len(found) <= 12
    for period, count, *values in found:
        assert 900 <= period < 1100
        assert 2 <= count <= 4
        assert values == [40, 80, 120, 80, 80]


def test_a_period_shorter_than_the_sensors_pace_waits_for_a_sample(fast_bench: Bench) -> None:
    sampler, _, _ = lamppost(fast_bench)  # 60 s of the street are 0.18 s
    fast_bench.run(sampler, 60)
    found = fast_bench.kinds(records.AIR)
    assert 28 <= len(found) <= 30
    assert all(count == 1 and 300 <= period <= 400 for period, count, *_ in found[1:])


def test_a_dead_sensor_is_told_once_and_logs_nothing(bench: Bench) -> None:
    sampler, part, _ = lamppost(bench)
    part.absent = True
    bench.run(sampler, 600)
    assert bench.log == [(records.EVENT, LOST)]
    assert not sampler.healthy


def test_a_sensor_that_comes_back_settles_again_before_it_counts(bench: Bench) -> None:
    sampler, part, _ = lamppost(bench)

    def events() -> None:
        part.absent = 100_000 <= bench.ms < 160_000
        if bench.ms == 160_000:
            part.brown_out()

    bench.each = events
    bench.run(sampler, 400)
    assert bench.kinds(records.EVENT) == [LOST, BACK]
    found = bench.kinds(records.AIR)
    assert len(found) >= 4
    assert all(values[2:] == (40, 80, 120, 80, 80) for values in found)
    # What was sampled before the silence is a record too, of its shorter period.
    assert any(period < 60 and count < 50 for period, count, *_ in found)


def test_noise_on_the_line_costs_frames_and_nothing_else(bench: Bench) -> None:
    sampler, _, port = lamppost(bench)
    random = Random(5)

    def noise() -> None:
        if bench.ms % 1700 == 0:
            port.noise = random.randbytes(20)

    bench.each = noise
    bench.run(sampler, 155)
    assert len(bench.kinds(records.AIR)) == 2
    assert bench.kinds(records.EVENT) == []
    assert all(values[2:] == (40, 80, 120, 80, 80) for values in bench.kinds(records.AIR))


def test_a_port_that_fails_is_as_good_as_silence(bench: Bench) -> None:
    sampler, _, port = lamppost(bench)

    def events() -> None:
        port.broken = bench.ms < 20_000

    bench.each = events
    bench.run(sampler, 150)
    assert bench.kinds(records.EVENT) == [LOST, BACK]
    assert len(bench.kinds(records.AIR)) == 1


def test_a_sensor_left_asleep_is_woken(bench: Bench) -> None:
    sampler, part, _ = lamppost(bench)
    part.receive(bytes.fromhex("424de400000173"))
    bench.run(sampler, 95)
    assert len(bench.kinds(records.AIR)) == 1


def test_a_period_that_makes_no_sense_is_the_default(bench: Bench) -> None:
    bench.values["air/period"] = -5
    sampler, _, _ = lamppost(bench)
    bench.run(sampler, 95)
    assert [values[0] for values in bench.kinds(records.AIR)] == [60]

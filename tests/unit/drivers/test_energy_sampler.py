from itertools import pairwise
from pathlib import Path
from random import Random

from firmware.node.samplers.energy import EnergySampler
from protocol import records
from simulators.parts import SteadySurroundings
from simulators.parts.bl0942 import Bl0942
from simulators.parts.luminaire import Luminaire
from tests.unit.drivers.bench import Bench, Port, Settings

LOST = (records.EVENT_SENSOR_LOST, records.ENERGY)
BACK = (records.EVENT_SENSOR_BACK, records.ENERGY)


class Lamppost:
    def __init__(self, bench: Bench, count: int = 0, path: Path | None = None) -> None:
        self.world = SteadySurroundings()
        self.lamp = Luminaire(rated_watts=100)
        self.meter = Bl0942(
            self.world, self.lamp, bench.machine, bench.street, Random(1), count=count
        )
        self.port = Port(bench, self.meter)
        self.sampler = EnergySampler(
            self.port, bench, bench, Settings(bench), str(path) if path else None
        )


def test_a_night_of_full_light_is_its_kilowatt_hours(fast_bench: Bench) -> None:
    post = Lamppost(fast_bench)
    fast_bench.run(post.sampler, 3600 * 10 / 340)
    found = fast_bench.kinds(records.ENERGY)
    assert len(found) >= 30
    assert abs(found[-1][1] - 1000) < 40  # 100 W for 10 h, less the last period
    for period, _, voltage, current, power in found:
        assert 900 <= period < 1300
        assert abs(voltage - 2300) <= 5
        assert abs(current - 458) <= 3
        assert abs(power - 1000) <= 3


def test_the_total_grows_by_power_times_time_between_any_two_records(fast_bench: Bench) -> None:
    post = Lamppost(fast_bench)
    post.lamp.pwm(65535 // 2)
    fast_bench.run(post.sampler, 60)
    found = fast_bench.kinds(records.ENERGY)
    for before, after in pairwise(found):
        assert abs((after[1] - before[1]) - after[4] / 10 * after[0] / 3600) < 6.5


def test_a_wrap_of_the_meters_counter_is_not_seen_in_the_total(fast_bench: Bench) -> None:
    post = Lamppost(fast_bench, count=(1 << 24) - 500)
    fast_bench.run(post.sampler, 100)
    assert post.meter.count < 60_000
    totals = [values[1] for values in fast_bench.kinds(records.ENERGY)]
    assert totals == sorted(totals)
    assert abs(totals[-1] - 944) < 60  # 100 W for 34,000 s


def test_a_dead_meter_is_told_once_and_its_energy_is_made_up_for(bench: Bench) -> None:
    bench.values["energy/period"] = 60
    post = Lamppost(bench)

    def events() -> None:
        post.meter.absent = 100_000 <= bench.ms < 700_000

    bench.each = events
    bench.run(post.sampler, 1000)
    assert bench.kinds(records.EVENT) == [LOST, BACK]
    found = bench.kinds(records.ENERGY)
    assert abs(found[-1][1] - 26) <= 2  # all 1000 s of it
    assert all(period < 70 for period, *_ in found)


def test_a_power_cut_of_the_meter_loses_what_it_could_not_tell_and_no_more(bench: Bench) -> None:
    bench.values["energy/period"] = 60
    post = Lamppost(bench, count=40_000)

    def events() -> None:
        if bench.ms == 500_000:
            post.meter.brown_out()

    bench.each = events
    bench.run(post.sampler, 1000)
    assert post.sampler.total.restarts == 1
    assert abs(bench.kinds(records.ENERGY)[-1][1] - 27) <= 2


def test_the_total_goes_on_after_the_node_restarts(bench: Bench, tmp_path: Path) -> None:
    bench.values["energy/period"] = 60
    path = tmp_path / "energy"
    post = Lamppost(bench, path=path)
    bench.run(post.sampler, 400)
    before = bench.kinds(records.ENERGY)[-1][1]
    again = EnergySampler(post.port, bench, bench, Settings(bench), str(path))
    bench.log.clear()
    bench.run(again, 400)
    first = bench.kinds(records.ENERGY)[0][1]
    assert before <= first <= before + 4
    assert abs(bench.kinds(records.ENERGY)[-1][1] - 21) <= 2


def test_noise_on_the_line_costs_readings_and_nothing_else(bench: Bench) -> None:
    bench.values["energy/period"] = 60
    post = Lamppost(bench)
    random = Random(2)

    def noise() -> None:
        if bench.ms % 700 == 0:
            post.port.noise = random.randbytes(3)

    bench.each = noise
    bench.run(post.sampler, 400)
    found = bench.kinds(records.ENERGY)
    assert len(found) >= 3
    assert all(abs(power - 1000) <= 3 for *_, power in found)


def test_a_mains_failure_reads_as_silence(bench: Bench) -> None:
    post = Lamppost(bench)
    post.world.volts = 0
    bench.run(post.sampler, 100)
    assert bench.log == [(records.EVENT, LOST)]

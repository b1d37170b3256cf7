from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from firmware.node.drivers import bl0942, cse7766, pulses
from firmware.node.samplers.energy import EnergySampler
from protocol import records
from simulators.parts import SteadySurroundings
from simulators.parts.bl0942 import Bl0942
from simulators.parts.cse7766 import Cse7766
from simulators.parts.luminaire import Luminaire
from simulators.parts.pulses import PulseMeter, PulseModel
from tests.unit.drivers.bench import Bench, Port, Settings

LOST = (records.EVENT_SENSOR_LOST, records.ENERGY)
SUSPECT = (records.EVENT_SENSOR_SUSPECT, records.ENERGY)
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
            bl0942.Bl0942(self.port), bench, bench, Settings(bench), str(path) if path else None
        )


def watch(sampler: EnergySampler, seen: Callable[[int, int, int], None]) -> None:
    # pyright takes the None that it begins with for all it can be.
    sampler.on_sample = seen  # pyright: ignore[reportAttributeAccessIssue]


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
    again = EnergySampler(bl0942.Bl0942(post.port), bench, bench, Settings(bench), str(path))
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


class Streaming:
    """A lamppost with a CSE7766."""

    def __init__(self, bench: Bench, pulses: int = 0, noise: Random | None = None) -> None:
        self.world = SteadySurroundings()
        self.lamp = Luminaire(rated_watts=100)
        self.meter = Cse7766(
            self.world, self.lamp, bench.machine, bench.street, noise, pulses=pulses
        )
        self.port = Port(bench, self.meter)
        self.sampler = EnergySampler(
            cse7766.Cse7766(self.port), bench, bench, Settings(bench), code=3
        )


class Pulsing:
    """A lamppost with a HLW8012 or BL0937."""

    def __init__(self, bench: Bench, model: PulseModel, voltage_level: int = 1) -> None:
        self.world = SteadySurroundings()
        self.lamp = Luminaire(rated_watts=100)
        self.meter = PulseMeter(
            self.world, self.lamp, bench.machine, bench.street, model, Random(1), voltage_level
        )

        class Count:
            def __init__(self, count: Callable[[], int]) -> None:
                self.value = count

        class Select:
            value = staticmethod(self.meter.select)

        chip = pulses.BL0937 if model is PulseModel.BL0937 else pulses.HLW8012
        driver = pulses.PulseMeter(Count(self.meter.cf), Count(self.meter.cf1), Select(), chip)
        self.sampler = EnergySampler(driver, bench, bench, Settings(bench), code=4)


def test_a_meter_that_streams_is_read_over_its_many_wraps(fast_bench: Bench) -> None:
    post = Streaming(fast_bench, pulses=65_000, noise=Random(3))
    fast_bench.run(post.sampler, 100)
    found = fast_bench.kinds(records.ENERGY)
    assert abs(found[-1][1] - 944) < 60  # 100 W for 34,000 s: ten turns of its counter
    assert post.sampler.total.restarts == post.sampler.total.implausible == 0
    for _, _, voltage, current, power in found:
        assert (abs(voltage - 2300) <= 5, abs(current - 458) <= 3, abs(power - 1000) <= 3) == (
            True,
            True,
            True,
        )


def test_a_lamp_that_is_off_reads_as_no_power_at_full_voltage(bench: Bench) -> None:
    bench.values["energy/period"] = 60
    post = Streaming(bench)
    post.lamp.relay(False)
    bench.run(post.sampler, 65)
    ((_, total, voltage, current, power),) = bench.kinds(records.ENERGY)
    assert (total, voltage, current, power) == (0, 2301, 0, 0)


@pytest.mark.parametrize("model", PulseModel)
@pytest.mark.parametrize("voltage_level", [0, 1])
def test_pulses_are_energy_power_voltage_and_current(
    bench: Bench, model: PulseModel, voltage_level: int
) -> None:
    bench.values["energy/period"] = 300
    post = Pulsing(bench, model, voltage_level)
    bench.run(post.sampler, 900)
    found = bench.kinds(records.ENERGY)
    assert abs(found[-1][1] - 100 * (900 - 300) / 3600) < 9
    for _, _, voltage, current, power in found[1:]:
        assert abs(voltage - 2300) <= 12
        assert abs(current - 458) <= 10
        assert abs(power - 1000) <= 15


def test_pulses_show_a_lamp_that_goes_out_within_ten_seconds(bench: Bench) -> None:
    post = Pulsing(bench, PulseModel.HLW8012)
    samples: list[tuple[int, int]] = []
    watch(post.sampler, lambda power, voltage, current: samples.append((bench.ms, power)))

    def out() -> None:
        if bench.ms == 60_000:
            post.lamp.relay(False)

    bench.each = out
    bench.run(post.sampler, 80)
    assert all(abs(power - 1000) < 60 for at, power in samples if 20_000 < at < 60_000)
    assert not [one for one in samples if one[0] > 70_000 and one[1]], samples[-24:]
    assert bench.kinds(records.EVENT) == []


@pytest.mark.parametrize("model", PulseModel)
def test_pulses_that_stop_altogether_are_a_lost_meter_and_it_comes_back(
    bench: Bench, model: PulseModel
) -> None:
    post = Pulsing(bench, model)

    def unplugged() -> None:
        post.meter.absent = 60_000 <= bench.ms < 120_000

    bench.each = unplugged
    bench.run(post.sampler, 400)
    assert bench.kinds(records.EVENT)[-2:] == [LOST, BACK]
    assert post.sampler.healthy


def test_a_meter_that_babbles_is_suspect_and_comes_back(bench: Bench) -> None:
    post = Streaming(bench)

    def babble() -> None:
        post.meter.babbling = 60_000 <= bench.ms < 120_000

    bench.each = babble
    bench.run(post.sampler, 240)
    assert bench.kinds(records.EVENT) == [SUSPECT, BACK]
    assert post.sampler.healthy


def test_a_meter_whose_counter_stands_still_under_power_is_suspect(bench: Bench) -> None:
    bench.values["energy/period"] = 60
    post = Streaming(bench)
    samples: list[int] = []
    watch(post.sampler, lambda power, voltage, current: samples.append(bench.ms))

    def hang() -> None:
        if bench.ms == 60_000:
            post.meter.frozen = True
        if bench.ms == 300_000:
            post.meter.brown_out()

    bench.each = hang
    bench.run(post.sampler, 420)
    assert bench.kinds(records.EVENT) == [SUSPECT, BACK]
    assert not [at for at in samples if 80_000 < at < 300_000]
    assert samples[-1] > 410_000


def test_a_lamp_that_is_off_for_a_day_is_no_meter_that_hangs(fast_bench: Bench) -> None:
    post = Lamppost(fast_bench)
    post.lamp.relay(False)
    fast_bench.run(post.sampler, 86400 / 340)
    assert fast_bench.kinds(records.EVENT) == []


@pytest.mark.parametrize("volts", [25.0, 500.0])
def test_a_voltage_that_no_street_has_is_suspect(bench: Bench, volts: float) -> None:
    post = Streaming(bench)
    seen: list[int] = []
    watch(post.sampler, lambda power, voltage, current: seen.append(voltage))

    def lie() -> None:
        post.meter.lying = volts if 30_000 <= bench.ms < 60_000 else None

    bench.each = lie
    bench.run(post.sampler, 120)
    assert bench.kinds(records.EVENT) == [SUSPECT, BACK]
    assert set(seen) == {2301}  # 194400 / 845, the nearest period


def test_each_fresh_reading_is_handed_on(bench: Bench) -> None:
    post = Lamppost(bench)
    samples: list[tuple[int, int, int]] = []
    watch(post.sampler, lambda *sample: samples.append(sample))
    bench.run(post.sampler, 60)
    assert 50 <= len(samples) <= 60
    assert all(abs(power - 1000) < 5 and abs(volts - 2300) < 8 for power, volts, _ in samples)

"""The climate and gas tasks on models of their parts, in virtual time."""

from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from firmware.node.drivers.bme280 import Bme280 as Bme280Driver
from firmware.node.drivers.no2 import No2
from firmware.node.drivers.sen5x import Sen5x as Sen5xDriver
from firmware.node.drivers.sen5x import Sen5xClimate
from firmware.node.samplers.air import AirSampler
from firmware.node.samplers.climate import ClimateSampler
from firmware.node.samplers.conditions import Conditions
from firmware.node.samplers.gas import GasSampler
from protocol import records
from simulators.parts import Climate, SteadySurroundings
from simulators.parts.bme280 import Bme280
from simulators.parts.gas import CALIBRATION, GasPair
from simulators.parts.sen5x import Sen5x
from tests.unit.drivers.bench import Bench, Bus, Settings

WEATHER = Climate(12.5, 70.0, 101_300.0)


@dataclass
class Post:
    sampler: Any
    part: Any
    conditions: Conditions


class Adc:
    """A pin of the converter, at twelve bits."""

    def __init__(self, read: Any) -> None:
        self._read = read

    def read_uv(self) -> int:
        return self._read() * 4095 // 3_100_000 * 3_100_000 // 4095


def climate_post(bench: Bench, name: str, weather: Climate = WEATHER) -> Post:
    world = SteadySurroundings(weather=weather)
    conditions = Conditions()
    if name == "BME280":
        part: Any = Bme280(world, bench.machine, Random(1))
        driver: Any = Bme280Driver(Bus(part))
    else:
        part = Sen5x(world, bench.machine, Random(1))
        driver = Sen5xClimate(Sen5xDriver(Bus(part)), shared=False)
    sampler = ClimateSampler(driver, bench, bench, Settings(bench), conditions)
    return Post(sampler, part, conditions)


def gas_post(bench: Bench, ppb: float, calibrated: bool = True) -> Post:
    if calibrated:
        bench.values.update(CALIBRATION)
    part = GasPair(SteadySurroundings(weather=WEATHER, nitrogen_dioxide=ppb), Random(2))
    conditions = Conditions()
    driver = No2(Adc(part.working_uv), Adc(part.auxiliary_uv), Settings(bench), conditions)
    sampler = GasSampler(driver, bench, bench, Settings(bench), conditions)
    return Post(sampler, part, conditions)


EVERY = pytest.mark.parametrize("name", ["BME280", "SEN5x"])


def told(bench: Bench) -> list[tuple[int, ...]]:
    return bench.kinds(records.EVENT)


@EVERY
def test_climate_is_recorded_and_known_to_the_others(bench: Bench, name: str) -> None:
    at = climate_post(bench, name)
    bench.run(at.sampler, 100)
    period, count, temperature, humidity, pressure, voc, nox = bench.kinds(records.CLIMATE)[0]
    assert 60 <= period <= 70
    assert count >= 6
    assert abs(temperature - 1250) <= 3
    assert abs(humidity - 7000) <= 30
    if name == "BME280":
        assert abs(pressure - 101_300) <= 3
        assert (voc, nox) == (0, 0)
    else:
        assert pressure == 0
        assert abs(voc - 1000) < 80
        assert nox == 70  # 1 + 0.3 * 20 ppb
    assert abs((at.conditions.temperature() or 0) - 1250) <= 3
    assert abs((at.conditions.humidity() or 0) - 7000) <= 40


def test_conditions_are_forgotten_when_the_part_is_silent(bench: Bench) -> None:
    at = climate_post(bench, "BME280")

    def die() -> None:
        at.part.absent = bench.ms > 60_000

    bench.each = die
    bench.run(at.sampler, 140)
    assert at.conditions.humidity() is None
    assert at.conditions.temperature() is None
    assert told(bench) == [(records.EVENT_SENSOR_LOST, records.CLIMATE)]


@EVERY
def test_a_climate_part_that_freezes_is_not_believed_until_restarted(
    bench: Bench, name: str
) -> None:
    at = climate_post(bench, name)

    def freeze() -> None:
        if bench.ms == 100_000:
            at.part.frozen = True

    bench.each = freeze
    bench.run(at.sampler, 900)
    assert told(bench) == [
        (records.EVENT_SENSOR_SUSPECT, records.CLIMATE),
        (records.EVENT_SENSOR_BACK, records.CLIMATE),
    ]
    assert not at.part.frozen


def test_weather_that_is_none_is_left_out_and_suspected(bench: Bench) -> None:
    at = climate_post(bench, "BME280")

    def lie() -> None:
        at.part.lying = 70_000 < bench.ms < 500_000

    bench.each = lie
    bench.run(at.sampler, 900)
    assert told(bench) == [
        (records.EVENT_SENSOR_SUSPECT, records.CLIMATE),
        (records.EVENT_SENSOR_BACK, records.CLIMATE),
    ]
    assert all(abs(values[2] - 1250) <= 3 for values in bench.kinds(records.CLIMATE))


@EVERY
def test_a_climate_part_that_babbles_or_dies_comes_back(bench: Bench, name: str) -> None:
    at = climate_post(bench, name)

    def trouble() -> None:
        at.part.babbling = 100_000 < bench.ms < 200_000
        at.part.absent = 300_000 < bench.ms < 420_000
        if bench.ms == 420_000:
            at.part.brown_out()

    bench.each = trouble
    bench.run(at.sampler, 800)
    assert told(bench)[-1] == (records.EVENT_SENSOR_BACK, records.CLIMATE)
    assert (records.EVENT_SENSOR_LOST, records.CLIMATE) in told(bench)
    assert at.sampler.healthy


def test_a_shared_sen5x_gives_climate_through_the_rests_of_its_fan(bench: Bench) -> None:
    bench.values["air/rest"] = 200
    part = Sen5x(SteadySurroundings(weather=WEATHER), bench.machine)
    driver = Sen5xDriver(Bus(part))
    conditions = Conditions()
    settings = Settings(bench)
    both = Both(
        AirSampler(driver, bench, bench, settings, conditions),
        ClimateSampler(Sen5xClimate(driver, True), bench, bench, settings, conditions),
    )
    bench.run(both, 700)
    assert told(bench) == []
    assert 2 <= len(bench.kinds(records.AIR)) <= 3
    assert len(bench.kinds(records.CLIMATE)) >= 10


class Both:
    """Two tasks as one, their waits taken in turn: virtual time stands still for neither."""

    def __init__(self, *samplers: Any) -> None:
        self._samplers = samplers

    async def run(self, check_in: Any) -> None:
        import asyncio

        await asyncio.gather(*(sampler.run(check_in) for sampler in self._samplers))


# ------------------------------------------------------------------------------ gas


@pytest.mark.parametrize("ppb", [0.0, 21.3, 250.0])
def test_nitrogen_dioxide_is_what_the_air_has(bench: Bench, ppb: float) -> None:
    at = gas_post(bench, ppb)
    bench.each = lambda: at.conditions.update(1250, 7000) if bench.ms % 10_000 == 0 else None
    bench.run(at.sampler, 780)
    found = bench.kinds(records.GAS)
    assert len(found) == 2, "the electrodes come to rest for ten minutes"
    for period, count, coverage, mean, least, greatest, flags in found:
        assert 60 <= period <= 62
        assert count >= 55
        assert coverage >= 950
        assert abs(mean - 10 * ppb) <= 12
        assert least < mean < greatest
        assert flags == 0


def test_without_a_temperature_a_gas_record_says_so(bench: Bench) -> None:
    at = gas_post(bench, 30)
    bench.run(at.sampler, 700)
    ((*_, flags),) = bench.kinds(records.GAS)
    assert flags == records.FLAG_NO_TEMPERATURE


def test_an_uncalibrated_pair_records_nothing_until_it_is(bench: Bench) -> None:
    at = gas_post(bench, 30, calibrated=False)

    def calibrate() -> None:
        if bench.ms == 100_000:
            bench.values.update(CALIBRATION)

    bench.each = calibrate
    bench.run(at.sampler, 900)
    assert told(bench) == [
        (records.EVENT_SENSOR_LOST, records.GAS),
        (records.EVENT_SENSOR_BACK, records.GAS),
    ]
    assert bench.kinds(records.GAS)


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ("absent", records.EVENT_SENSOR_LOST),
        ("lying", records.EVENT_SENSOR_SUSPECT),
        ("frozen", records.EVENT_SENSOR_SUSPECT),
    ],
)
def test_a_gas_part_in_trouble_is_told_and_taken_back(
    bench: Bench, trouble: str, code: int
) -> None:
    at = gas_post(bench, 30)

    def put() -> None:
        setattr(at.part, trouble, 700_000 <= bench.ms < 1_500_000)

    bench.each = put
    bench.run(at.sampler, 2600)
    assert told(bench) == [(code, records.GAS), (records.EVENT_SENSOR_BACK, records.GAS)]

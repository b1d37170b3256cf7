"""Every part a node can have, in every trouble it can have: told in time, and taken back in time.

What each of them does to the records is in the tests of the samplers; here is the whole table.
"""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import pytest

from firmware.node.drivers import bl0942, cse7766, ld2410, pir, pulses
from firmware.node.drivers.bme280 import Bme280 as Bme280Driver
from firmware.node.drivers.no2 import No2
from firmware.node.drivers.pms5003 import Pms5003 as Pms5003Driver
from firmware.node.drivers.sds011 import Sds011 as Sds011Driver
from firmware.node.drivers.sen5x import Sen5x as Sen5xDriver
from firmware.node.drivers.sen5x import Sen5xClimate
from firmware.node.drivers.sps30 import Sps30 as Sps30Driver
from firmware.node.samplers import people
from firmware.node.samplers.air import AirSampler
from firmware.node.samplers.climate import ClimateSampler
from firmware.node.samplers.conditions import Conditions
from firmware.node.samplers.energy import EnergySampler
from firmware.node.samplers.gas import GasSampler
from firmware.node.samplers.people import PeopleSampler
from firmware.node.samplers.presence import PresenceSampler
from protocol import records
from simulators.parts import Air, SteadySurroundings, Walker
from simulators.parts.bl0942 import Bl0942
from simulators.parts.bme280 import Bme280
from simulators.parts.cse7766 import Cse7766
from simulators.parts.gas import CALIBRATION, GasPair
from simulators.parts.ld2410 import Ld2410
from simulators.parts.luminaire import Luminaire
from simulators.parts.pir import PirPair
from simulators.parts.pms5003 import Pms5003
from simulators.parts.pulses import PulseMeter, PulseModel
from simulators.parts.sds011 import Sds011
from simulators.parts.sen5x import Sen5x
from simulators.parts.sps30 import Sps30
from simulators.parts.vl53l1x import Vl53l1x
from tests.unit.drivers.bench import Bench, Bus, Port, Settings

LOST, SUSPECT = records.EVENT_SENSOR_LOST, records.EVENT_SENSOR_SUSPECT
BACK = records.EVENT_SENSOR_BACK


class Rig(NamedTuple):
    """A task, the model of its part, and the kind of record that its events name."""

    sampler: Any
    part: Any
    kind: int


class _Value:
    """A pin, a counter or a converter, whose value a model gives."""

    def __init__(self, read: Callable[..., Any]) -> None:
        self.value = self.read_uv = read


def air(bench: Bench, model: Any, driver: Any, wire: Any, **options: Any) -> Rig:
    part = model(SteadySurroundings(Air(20, 40, 60)), bench.machine, Random(1), **options)
    line = wire(bench, part) if wire is Port else wire(part)
    return Rig(AirSampler(driver(line), bench, bench, Settings(bench)), part, records.AIR)


def climate(bench: Bench, model: Any, driver: Callable[[Bus], Any]) -> Rig:
    part = model(SteadySurroundings(), bench.machine, Random(1))
    sampler = ClimateSampler(driver(Bus(part)), bench, bench, Settings(bench), Conditions())
    return Rig(sampler, part, records.CLIMATE)


def gas(bench: Bench) -> Rig:
    bench.values.update(CALIBRATION)
    part = GasPair(SteadySurroundings(), Random(1))
    pins = _Value(part.working_uv), _Value(part.auxiliary_uv)
    conditions = Conditions()
    driver = No2(*pins, Settings(bench), conditions)
    return Rig(GasSampler(driver, bench, bench, Settings(bench), conditions), part, records.GAS)


def footfall(bench: Bench) -> Rig:
    part = Vl53l1x(SteadySurroundings(), bench.machine, Random(1))
    return Rig(PeopleSampler(Bus(part), bench, bench, Settings(bench)), part, records.PEOPLE)


def presence(bench: Bench, make: Callable[[Any], tuple[Any, Any]]) -> Rig:
    """Somebody walks by every ten seconds."""
    world = SteadySurroundings()
    part, driver = make(world)

    def walk() -> None:
        if bench.ms % 50 == 0:
            world.people = [Walker((bench.ms % 10_000 - 5000) * 1.4, 1700)]

    bench.each = walk
    return Rig(PresenceSampler(driver, lambda: None, bench), part, records.LAMP)


def radar(bench: Bench) -> Rig:
    def make(world: SteadySurroundings) -> tuple[Any, Any]:
        part = Ld2410(world, bench.machine, Random(1))
        return part, ld2410.Ld2410(Port(bench, part))

    return presence(bench, make)


def pirs(bench: Bench) -> Rig:
    def make(world: SteadySurroundings) -> tuple[Any, Any]:
        part = PirPair(world, bench.machine)
        pins = _Value(lambda: part.levels()[0]), _Value(lambda: part.levels()[1])
        return part, pir.PirPair(*pins)

    return presence(bench, make)


def meter(bench: Bench, model: Any, driver: Callable[[Any], Any], code: int) -> Rig:
    lamp = Luminaire(rated_watts=100)
    part = model(SteadySurroundings(), lamp, bench.machine, bench.street, random=Random(1))
    wired = driver(Port(bench, part))
    sampler = EnergySampler(wired, bench, bench, Settings(bench), code=code)
    return Rig(sampler, part, records.ENERGY)


def pulse(bench: Bench, model: PulseModel, chip: int) -> Rig:
    lamp = Luminaire(rated_watts=100)
    part = PulseMeter(SteadySurroundings(), lamp, bench.machine, bench.street, model, Random(1))
    wires = _Value(part.cf), _Value(part.cf1), _Value(part.select)
    driver = pulses.PulseMeter(*wires, chip)
    sampler = EnergySampler(driver, bench, bench, Settings(bench), code=4)
    return Rig(sampler, part, records.ENERGY)


RIGS: dict[str, Callable[[Bench], Rig]] = {
    "PMS5003": lambda b: air(b, Pms5003, Pms5003Driver, Port),
    "PMS3003": lambda b: air(b, Pms5003, Pms5003Driver, Port, counts=False),
    "SDS011": lambda b: air(b, Sds011, Sds011Driver, Port),
    "SPS30": lambda b: air(b, Sps30, Sps30Driver, Bus),
    "SEN5x": lambda b: air(b, Sen5x, Sen5xDriver, Bus),
    "SEN5x climate": lambda b: climate(b, Sen5x, lambda i2c: Sen5xClimate(Sen5xDriver(i2c), False)),
    "BME280": lambda b: climate(b, Bme280, Bme280Driver),
    "NO2 pair": gas,
    "VL53L1X": footfall,
    "LD2410": radar,
    "PIR pair": pirs,
    "BL0942": lambda b: meter(b, Bl0942, bl0942.Bl0942, 2),
    "CSE7766": lambda b: meter(b, Cse7766, cse7766.Cse7766, 3),
    "HLW8012": lambda b: pulse(b, PulseModel.HLW8012, pulses.HLW8012),
    "BL0937": lambda b: pulse(b, PulseModel.BL0937, pulses.BL0937),
}

# What puts a model into the trouble; one of its own where the usual name does not fit.
TROUBLES: dict[str, tuple[str, Any]] = {
    "absent": ("absent", True),
    "babbles": ("babbling", True),
    "freezes": ("frozen", True),
    "out of range": ("lying", True),
}
OWN: dict[tuple[str, str], tuple[str, Any]] = {
    ("VL53L1X", "out of range"): ("lying", 20.0),
    ("LD2410", "out of range"): ("lying", 5000),
    ("PIR pair", "absent"): ("dead", 1),
    ("PIR pair", "babbles"): ("chattering", True),
    ("PIR pair", "freezes"): ("stuck", True),
    **{(one, "out of range"): ("lying", 500.0) for one in ("BL0942", "CSE7766")},
    **{(one, "out of range"): ("lying", 500.0) for one in ("HLW8012", "BL0937")},
    **{
        (one, "out of range"): ("lying", Air(3000, 5000, 6000))
        for one in ("PMS5003", "PMS3003", "SDS011", "SPS30", "SEN5x")
    },
}
# A pin has no range; and the SEN5x's climate cannot be made to lie in its model but by the air.
NONE = {("PIR pair", "out of range"), ("SEN5x climate", "out of range")}
CELLS = [(name, what) for name in RIGS for what in TROUBLES if (name, what) not in NONE]

# Seconds until it is told, and until it is taken back: the slowest tries again every minute, warms
# up for half of one, and writes a whole record before it is believed.
TOLD = {"absent": 35, "babbles": 45, "freezes": 620, "out of range": 45}
TAKEN_BACK = 220
SLOW: dict[tuple[str, str], int] = {
    ("BME280", "out of range"): 320,  # it measures every ten seconds
    **{(one, "freezes"): 60 for one in ("BL0942", "CSE7766", "HLW8012", "BL0937")},
}
WARM = {"NO2 pair": 600}


@pytest.mark.parametrize(("name", "what"), CELLS)
def test_trouble_is_told_and_its_end_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    monkeypatch.setattr(people, "_ODD", 400)  # 20 s
    monkeypatch.setattr(pir, "_DEAD", 3)
    rig = RIGS[name](bench)
    attribute, value = OWN.get((name, what), TROUBLES[what])
    healthy_value = getattr(rig.part, attribute)
    within = SLOW.get((name, what), TOLD[what])
    began = 1000 * (105 + WARM.get(name, 0))
    ended = began + 1000 * (within + 5)
    told: list[tuple[int, int]] = []
    move = bench.each

    def live() -> None:
        move()
        if bench.ms == began:
            assert rig.sampler.healthy, "it was well before"
            setattr(rig.part, attribute, value)
        elif bench.ms == ended:
            setattr(rig.part, attribute, healthy_value)
            rig.part.brown_out()
        if len(bench.log) > seen[0]:
            for kind, values in bench.log[seen[0] :]:
                if kind == records.EVENT:
                    assert values[1] == rig.kind
                    told.append((bench.ms, values[0]))
                    cured = bench.ms >= ended or getattr(rig.part, attribute) != value
                    assert values[0] != BACK or cured, "taken back while it lasted"
            seen[0] = len(bench.log)

    seen = [0]
    bench.each = live
    bench.run(rig.sampler, ended / 1000 + TAKEN_BACK + WARM.get(name, 0))
    assert told, "nothing was told"
    assert told[0][0] - began <= 1000 * within
    codes = [code for _, code in told]
    assert (LOST if what == "absent" and name != "PIR pair" else SUSPECT) in codes
    assert codes[-1] == BACK
    assert rig.sampler.healthy


BROWNED_OUT = [name for name in RIGS if name != "PIR pair"]  # which remembers nothing


@pytest.mark.parametrize("name", BROWNED_OUT)
def test_a_moment_without_supply_is_got_over(bench: Bench, name: str) -> None:
    rig = RIGS[name](bench)
    dips = 1000 * (100 + WARM.get(name, 0))
    move = bench.each

    def live() -> None:
        move()
        if bench.ms == dips:
            rig.part.absent = True
        elif bench.ms == dips + 300:
            rig.part.absent = False
            rig.part.brown_out()

    bench.each = live
    bench.run(rig.sampler, dips / 1000 + 60)
    assert rig.sampler.healthy
    codes = [values[0] for values in bench.kinds(records.EVENT)]
    assert codes in ([], [LOST, BACK])


def test_every_part_of_the_configuration_is_in_the_table() -> None:
    from hardware import model

    fields = ("parts/air", "parts/climate", "parts/gas", "parts/people", "parts/presence")
    names = {p.id for p in model.parts().values() if p.field in (*fields, "parts/meter")}
    assert names == {name.lower().split()[0] for name in RIGS}

from random import Random

import pytest

from firmware.node.drivers import ld2410, pir
from firmware.node.samplers.presence import PresenceSampler
from protocol import records
from simulators.parts import SteadySurroundings, Walker
from simulators.parts.ld2410 import Ld2410
from simulators.parts.pir import PirPair
from tests.unit.drivers.bench import Bench, Port

LOST = (records.EVENT_SENSOR_LOST, records.LAMP)
SUSPECT = (records.EVENT_SENSOR_SUSPECT, records.LAMP)
BACK = (records.EVENT_SENSOR_BACK, records.LAMP)


class Pavement:
    """Somebody who walks by at 1.4 m/s, below the lamppost at each of ``passes`` (ms)."""

    def __init__(self, bench: Bench, passes: list[int]) -> None:
        self.bench = bench
        self.passes = passes
        self.world = SteadySurroundings()
        self.seen: list[int] = []
        bench.each = self.move

    def move(self) -> None:
        places = [(self.bench.ms - at) * 1.4 for at in self.passes]
        self.world.people = [Walker(place, 1700) for place in places if abs(place) < 8000]

    def saw(self) -> None:
        self.seen.append(self.bench.ms)


class Radar(Pavement):
    def __init__(self, bench: Bench, passes: list[int]) -> None:
        super().__init__(bench, passes)
        self.part = Ld2410(self.world, bench.machine, Random(1))
        self.port = Port(bench, self.part)
        self.sampler = PresenceSampler(ld2410.Ld2410(self.port), self.saw, bench)


class _Pin:
    def __init__(self, part: PirPair, index: int) -> None:
        self._part = part
        self._index = index

    def value(self) -> int:
        return self._part.levels()[self._index]


class Pirs(Pavement):
    def __init__(self, bench: Bench, passes: list[int]) -> None:
        super().__init__(bench, passes)
        self.part = PirPair(self.world, bench.machine)
        self.driver = pir.PirPair(_Pin(self.part, 0), _Pin(self.part, 1))
        self.sampler = PresenceSampler(self.driver, self.saw, bench)


@pytest.mark.parametrize("kind", [Radar, Pirs])
def test_who_walks_by_is_seen_all_the_way_once_a_second_and_nobody_else(
    bench: Bench, kind: type[Radar] | type[Pirs]
) -> None:
    street = kind(bench, [30_000, 90_000])
    bench.run(street.sampler, 120)
    assert all(min(abs(at - 30_000), abs(at - 90_000)) < 9000 for at in street.seen)
    for passed in (30_000, 90_000):
        assert len([at for at in street.seen if abs(at - passed) < 9000]) >= 5
    assert all(
        later - earlier >= 1000
        for earlier, later in zip(street.seen, street.seen[1:], strict=False)
    )
    assert street.sampler.healthy


@pytest.mark.parametrize("kind", [Radar, Pirs])
def test_nothing_of_who_walked_by_is_written_down(
    bench: Bench, kind: type[Radar] | type[Pirs]
) -> None:
    street = kind(bench, list(range(10_000, 200_000, 17_000)))
    bench.run(street.sampler, 200)
    assert street.seen
    assert bench.log == []


def test_a_pair_tells_the_direction_of_who_passes(bench: Bench) -> None:
    street = Pirs(bench, [20_000])
    bench.run(street.sampler, 30)
    assert street.driver.direction == pir.AHEAD


def test_a_radar_that_is_absent_is_told_once_and_taken_back(bench: Bench) -> None:
    street = Radar(bench, [100_000])

    def unplugged() -> None:
        street.part.absent = bench.ms < 60_000
        street.move()

    bench.each = unplugged
    bench.run(street.sampler, 130)
    assert bench.kinds(records.EVENT) == [LOST, BACK]
    assert street.seen


def test_a_radar_that_babbles_is_suspect_and_taken_back(bench: Bench) -> None:
    street = Radar(bench, [150_000])

    def babble() -> None:
        street.part.babbling = 20_000 <= bench.ms < 60_000
        street.move()

    bench.each = babble
    bench.run(street.sampler, 180)
    assert bench.kinds(records.EVENT) == [SUSPECT, BACK]
    assert street.seen


def test_a_radar_left_in_its_engineering_mode_is_brought_out_of_it(bench: Bench) -> None:
    street = Radar(bench, [20_000])
    street.part.engineering = True
    bench.run(street.sampler, 30)
    assert not street.part.engineering
    assert street.seen
    assert bench.log == []


def test_a_radar_that_hangs_with_somebody_there_keeps_no_lamp_bright(bench: Bench) -> None:
    street = Radar(bench, [20_000])

    def hang() -> None:
        street.move()
        if bench.ms == 20_000:
            street.part.frozen = True

    bench.each = hang
    bench.run(street.sampler, 900)
    assert bench.kinds(records.EVENT) == [SUSPECT]
    assert max(street.seen) < 20_000 + 601_000


def test_pirs_that_hang_are_suspect_until_they_let_go(bench: Bench) -> None:
    street = Pirs(bench, [1_000_000])

    def hang() -> None:
        street.move()
        street.part.stuck = 20_000 <= bench.ms < 900_000

    bench.each = hang
    bench.run(street.sampler, 1020)
    assert bench.kinds(records.EVENT) == [SUSPECT, BACK]
    assert not [at for at in street.seen if 630_000 < at < 990_000]
    assert [at for at in street.seen if at > 990_000]


def test_a_port_that_fails_is_as_good_as_silence(bench: Bench) -> None:
    street = Radar(bench, [])

    def broken() -> None:
        street.port.broken = 20_000 <= bench.ms < 40_000

    bench.each = broken
    bench.run(street.sampler, 120)
    assert bench.kinds(records.EVENT) == [LOST, BACK]
    assert street.sampler.port_failures > 0

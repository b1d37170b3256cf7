from random import Random

import pytest

from firmware.node.samplers.people import PeopleSampler
from protocol import records
from simulators.parts import SteadySurroundings, Walker
from simulators.parts.vl53l1x import Vl53l1x
from tests.unit.drivers.bench import Bench, Bus, Settings

LOST = (records.EVENT_SENSOR_LOST, records.PEOPLE)
BACK = (records.EVENT_SENSOR_BACK, records.PEOPLE)
AT = 3000  # mm where everybody starts, on their side


class Street:
    """A pavement on which people walk in machine time.

    walks: (ms at which somebody is under the sensor, mm/s, signed, height in mm).
    """

    def __init__(self, bench: Bench, walks: list[tuple[int, float, float]], seed: int = 1) -> None:
        self.bench = bench
        self.walks = walks
        self.others: list[Walker] = []
        self.world = SteadySurroundings()
        self.part = Vl53l1x(self.world, bench.machine, Random(seed))
        self.bus = Bus(self.part)
        self.sampler = PeopleSampler(self.bus, bench, bench, Settings(bench))
        bench.each = self.move

    def move(self) -> None:
        now = self.bench.ms
        people = [Walker((now - at) * speed / 1000, height) for at, speed, height in self.walks]
        self.world.people = [one for one in people if abs(one.position_mm) < AT] + self.others

    def counted(self) -> tuple[int, int]:
        found = self.bench.kinds(records.PEOPLE)
        return sum(values[1] for values in found), sum(values[2] for values in found)

    def told_apart(self) -> int:
        return sum(values[4] for values in self.bench.kinds(records.PEOPLE))


@pytest.fixture
def minute(bench: Bench) -> Bench:
    """Records each minute, so that the last one is soon there."""
    bench.values["people/period"] = 60
    return bench


@pytest.mark.parametrize("speed", [600, 1000, 1400, 1800, 2200])
@pytest.mark.parametrize("height", [1150, 1600, 1950])
def test_one_person_is_counted_once_in_their_direction(
    minute: Bench, speed: float, height: float
) -> None:
    street = Street(minute, [(10_000, speed, height), (30_000, -speed, height)])
    minute.run(street.sampler, 62)
    assert street.counted() == (1, 1)


def test_an_empty_pavement_counts_nobody_and_was_watched_all_the_time(minute: Bench) -> None:
    street = Street(minute, [])
    minute.run(street.sampler, 125)
    found = minute.kinds(records.PEOPLE)
    assert [(period, towards, away) for period, towards, away, *_ in found] == [(60, 0, 0)] * 2
    assert found[0][3] >= 980
    assert found[1][3] == 1000
    assert street.sampler.healthy


def test_people_one_after_the_other_are_counted_each(minute: Bench) -> None:
    random = Random(7)
    walks: list[tuple[int, float, float]] = []
    for index in range(40):
        speed = random.uniform(1000, 1700) * random.choice((1, -1))
        walks.append((10_000 + 2500 * index, speed, random.uniform(1450, 1950)))
    street = Street(minute, walks)
    minute.run(street.sampler, 185)
    # People who come evenly are all told apart. People do not, so more are taken to have come.
    assert street.told_apart() == 40
    assert sum(street.counted()) >= 40


def test_somebody_who_turns_back_below_is_nobody(minute: Bench) -> None:
    street = Street(minute, [])

    def there_and_back() -> None:
        seconds = abs(minute.ms - 20_000) / 1000
        street.world.people = [Walker(100 - 1200 * seconds, 1700)] if seconds < 2.4 else []

    minute.each = there_and_back
    minute.run(street.sampler, 62)
    assert street.counted() == (0, 0)


def test_a_loiterer_is_nobody_and_lowers_the_coverage(minute: Bench) -> None:
    street = Street(minute, [])

    def loiter() -> None:
        street.others = [Walker(0, 1700)] if 61_000 <= minute.ms < 181_000 else []
        street.move()

    minute.each = loiter
    street.walks = [(200_000, 1400.0, 1700.0)]
    minute.run(street.sampler, 245)
    found = minute.kinds(records.PEOPLE)
    assert street.counted() == (1, 0)
    assert min(values[3] for values in found) < 200
    assert found[-1][3] >= 950


def test_a_thing_left_below_becomes_pavement_and_people_are_counted_again(minute: Bench) -> None:
    walks = [(at, 1400.0, 1700.0) for at in (150_000, 160_000, 170_000)]
    street = Street(minute, walks)
    street.others = [Walker(0, 900)]  # a crate
    minute.run(street.sampler, 182)
    assert street.counted() == (3, 0)


def test_a_sensor_that_is_absent_is_told_once_and_logs_nothing(minute: Bench) -> None:
    street = Street(minute, [])
    street.part.absent = True
    minute.run(street.sampler, 300)
    assert minute.log == [(records.EVENT, LOST)]
    assert not street.sampler.healthy


def test_a_browned_out_sensor_is_configured_again_and_counts_on(minute: Bench) -> None:
    street = Street(minute, [(10_000, 1400, 1700), (50_000, 1400, 1700)])

    def brown_out() -> None:
        if minute.ms == 30_000:
            street.part.brown_out()
        street.move()

    minute.each = brown_out
    minute.run(street.sampler, 62)
    assert minute.kinds(records.EVENT) == [LOST, BACK]
    assert street.counted() == (2, 0)
    assert 900 <= minute.kinds(records.PEOPLE)[0][3] < 1000


def test_an_outage_is_in_the_coverage(minute: Bench) -> None:
    street = Street(minute, [])

    def unplugged() -> None:
        street.part.absent = 20_000 <= minute.ms < 35_000

    minute.each = unplugged
    minute.run(street.sampler, 62)
    ((_, _, _, coverage, *_),) = minute.kinds(records.PEOPLE)
    assert 400 <= coverage <= 760


def test_a_part_that_is_no_vl53l1x_is_not_believed(
    minute: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    street = Street(minute, [])
    monkeypatch.setattr("firmware.node.drivers.vl53l1x.MODEL_ID", 0xEEAA)
    minute.run(street.sampler, 70)
    assert minute.log == [(records.EVENT, (records.EVENT_SENSOR_SUSPECT, records.PEOPLE))]


@pytest.mark.parametrize("at", [20_000, 31_700, 55_000])
def test_when_somebody_came_by_is_in_no_record(minute: Bench, at: int) -> None:
    street = Street(minute, [(at, 1400.0, 1700.0)])
    told: list[int] = []
    street.sampler.seen = lambda: told.append(minute.ms)  # pyright: ignore
    minute.run(street.sampler, 62)
    assert told, "the lamp was told, and only the lamp"
    # One record, at the period's end, whose fields are the same whenever it was.
    assert minute.log == [(records.PEOPLE, (60, 1, 0, 998, 1, 0))]


def test_a_fast_street_has_records_of_what_passed_in_its_short_periods(
    fast_bench: Bench,
) -> None:
    street = Street(fast_bench, [(at, 1400.0, 1700.0) for at in range(5000, 60_000, 3000)])
    fast_bench.run(street.sampler, 65)
    found = fast_bench.kinds(records.PEOPLE)
    assert len(found) > 50
    assert street.told_apart() == 19
    assert street.counted()[1] == 0
    assert all(300 <= period < 400 for period, *_ in found[1:])


def test_each_look_costs_few_transactions_of_the_bus(minute: Bench) -> None:
    street = Street(minute, [])
    minute.run(street.sampler, 20)
    configuration = 130
    assert street.bus.transactions - configuration <= 20 * 20 * 7


def test_a_pavement_is_counted_better_than_infra_red_counters_do(
    minute: Bench,
) -> None:
    # Somebody every ten seconds on average, as chance has it. Counters in the field err by 16 to
    # 21 %.
    random = Random(11)
    walks: list[tuple[int, float, float]] = []
    at = 5000.0
    while at < 300_000:
        speed = random.uniform(800, 1800) * random.choice((1, -1))
        walks.append((int(at), speed, random.uniform(1450, 1950)))
        at += random.expovariate(0.1) * 1000
    street = Street(minute, walks)
    minute.run(street.sampler, 365)
    assert street.told_apart() <= len(walks)
    assert abs(sum(street.counted()) - len(walks)) <= 0.1 * len(walks)


@pytest.mark.parametrize("at", [21_000, 21_050])  # whichever zone has its turn
def test_what_changed_while_nobody_looked_is_no_passage(minute: Bench, at: int) -> None:
    street = Street(minute, [])
    stalled = False

    def stall() -> None:
        nonlocal stalled
        # Somebody stands before the lamppost; the node stalls, and then somebody else behind it.
        if 20_000 <= minute.ms < 23_000:
            street.world.people = [Walker(250 if stalled else -250, 1700)]
        else:
            street.world.people = []
        if minute.ms >= at and not stalled:
            stalled = True
            minute.ms += 1000

    minute.each = stall
    minute.run(street.sampler, 62)
    assert street.counted() == (0, 0)

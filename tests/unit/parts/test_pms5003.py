import math
from random import Random

import pytest

from simulators.parts import Air, SteadySurroundings
from simulators.parts.pms5003 import Pms5003
from tests.unit.drivers import captures

SLEEP = bytes.fromhex("424de400000173")
WAKE = bytes.fromhex("424de400010174")
PASSIVE = bytes.fromhex("424de100000170")
ACTIVE = bytes.fromhex("424de100010171")
READ = bytes.fromhex("424de200000171")


class Now:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def frames_until(part: Pms5003, now: Now, end: float) -> list[tuple[float, bytes]]:
    """What it says until ``end``, taken whenever it says that something is due."""
    said: list[tuple[float, bytes]] = []
    while part.due() <= end:
        now.s = part.due()
        data = part.pending(now.s)
        if data:
            said.append((now.s, data))
    now.s = end
    return said


@pytest.fixture
def now() -> Now:
    return Now()


def test_an_independent_decoder_reads_the_air_around_it(now: Now) -> None:
    part = Pms5003(SteadySurroundings(Air(5, 12, 20)), now)
    said = frames_until(part, now, 40)
    assert 38 <= len(said) <= 40
    settled = [captures.decoded(data) for when, data in said if when > 30]
    assert {(one.pm01, one.pm25, one.pm10) for one in settled} == {(5, 12, 20)}
    assert all(one.n0_3 > one.n0_5 > one.n1_0 > one.n2_5 >= one.n5_0 for one in settled)


def test_readings_of_the_first_seconds_are_not_yet_right(now: Now) -> None:
    part = Pms5003(SteadySurroundings(Air(50, 100, 200)), now)
    first = captures.decoded(frames_until(part, now, 2)[0][1])
    assert first.pm25 < 50


def test_cf_1_values_are_half_as_much_again_in_thick_air(now: Now) -> None:
    part = Pms5003(SteadySurroundings(Air(20, 100, 200)), now)
    decoded = captures.decoded(frames_until(part, now, 40)[-1][1])
    assert (decoded.raw01, decoded.raw25, decoded.raw10) == (20, 150, 300)


def test_noise_is_around_the_true_value(now: Now) -> None:
    part = Pms5003(SteadySurroundings(Air(50, 50, 50)), now, Random(1))
    values = [captures.decoded(data).pm25 for _, data in frames_until(part, now, 300)[30:]]
    assert len(set(values)) > 3
    assert abs(sum(values) / len(values) - 50) < 0.5


def test_asleep_it_says_nothing_and_woken_it_settles_anew(now: Now) -> None:
    part = Pms5003(SteadySurroundings(Air(50, 100, 200)), now)
    frames_until(part, now, 40.5)
    part.receive(SLEEP)
    (answer,) = frames_until(part, now, 60)
    assert answer[1].hex() == "424d0004e4000177"
    part.receive(WAKE)
    said = frames_until(part, now, 63)
    assert said[0][1].hex() == "424d0004e4010178"
    assert captures.decoded(said[1][1]).pm25 < 50


def test_passive_it_speaks_when_asked(now: Now) -> None:
    part = Pms5003(SteadySurroundings(), now)
    frames_until(part, now, 40.5)
    part.receive(PASSIVE)
    assert len(frames_until(part, now, 50)) == 1  # the answer
    part.receive(READ[:3])
    part.receive(READ[3:])
    assert len(frames_until(part, now, 51)[0][1]) == 32
    part.receive(ACTIVE)
    assert len(frames_until(part, now, 61)) == 1 + 9


def test_commands_with_a_wrong_sum_and_garbage_are_ignored(now: Now) -> None:
    part = Pms5003(SteadySurroundings(), now)
    part.receive(b"\x00\x42" + SLEEP[:-1] + b"\x00" + Random(1).randbytes(100))
    assert len(frames_until(part, now, 10)) >= 9


def test_absent_it_neither_hears_nor_says(now: Now) -> None:
    part = Pms5003(SteadySurroundings(), now)
    part.absent = True
    assert math.isinf(part.due())
    assert part.pending(30) == b""
    part.absent = False
    now.s = 60
    assert len(part.pending(60)) <= 4 * 32

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
import qwiic_vl53l1x
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers import vl53l1x
from simulators.parts import SteadySurroundings, Walker
from simulators.parts.vl53l1x import Vl53l1x
from tests.unit.drivers.bench import Bench, Bus
from tests.unit.drivers.i2c import Hostile, done


class Block:
    """A sensor of which only the 17 bytes of a result can be read."""

    def __init__(self, block: bytes) -> None:
        self._block = block

    def write_read_block(self, address: int, register: Sequence[int], size: int) -> bytes:
        at = (register[0] << 8 | register[1]) - 0x89
        return self._block[at : at + size]


class Wire:
    """A model as ST's driver in Python reaches it; each look at it takes four milliseconds."""

    def __init__(self, part: Vl53l1x, bench: Bench) -> None:
        self._part = part
        self._bench = bench

    def writeBlock(self, address: int, high: int, data: Sequence[int]) -> int:  # noqa: N802
        self._part.write(bytes((high, *data)))
        return 0

    def write_read_block(self, address: int, register: Sequence[int], size: int) -> bytes:
        self._bench.ms += 4
        self._part.write(bytes(register))
        return self._part.read(size)


def theirs(wire: Any) -> Any:
    """ST's Ultra Lite Driver as ported to Python by a maker of breakout boards."""
    return qwiic_vl53l1x.QwiicVL53L1X(address=0x29, i2c_driver=wire)


def test_the_configuration_is_that_of_sts_driver_for_lines_pulled_up_to_the_supply() -> None:
    known = bytes(qwiic_vl53l1x.VL51L1X_DEFAULT_CONFIGURATION)
    differs = {
        0x2D + at
        for at, (ours, other) in enumerate(zip(vl53l1x.CONFIGURATION, known, strict=True))
        if ours != other
    }
    # The low byte of time-out A, which every timing budget writes anew; CC in ST's own.
    assert differs == {0x5F}


@given(st.binary(min_size=17, max_size=17))
def test_any_result_reads_as_sts_driver_reads_it(data: bytes) -> None:
    known = theirs(Block(data))
    assert vl53l1x.parse_result(data) == (
        known.get_range_status(),
        known.get_distance(),
        known.get_signal_rate(),
        known.get_ambient_rate(),
        known.get_spad_nb(),
    )


def test_our_driver_sets_the_registers_that_sts_driver_sets(bench: Bench) -> None:
    first, second = (Vl53l1x(SteadySurroundings(), bench.machine) for _ in range(2))
    bench.ms += 10
    known = theirs(Wire(first, bench))
    assert known.sensor_init() == 0
    known.set_distance_mode(2)
    known.set_timing_budget_in_ms(33)
    known.set_inter_measurement_in_ms(33)
    known.set_roi(8, 16)
    done(vl53l1x.Vl53l1x(Bus(second)).start(8, 16), bench)
    assert second._registers[0x2D:0x86] == first._registers[0x2D:0x86]


@pytest.mark.parametrize("centre", [167, 231])
def test_a_zone_ranges_as_sts_driver_ranges_it(bench: Bench, centre: int) -> None:
    world = SteadySurroundings(people=[Walker(-200, 1700)])
    part = Vl53l1x(world, bench.machine)
    ours = vl53l1x.Vl53l1x(Bus(part))
    done(ours.start(8, 16), bench)
    found = done(ours.range(centre), bench)
    known = theirs(Wire(part, bench))
    known.clear_interrupt()
    known.start_ranging()
    while not known.check_for_data_ready():
        assert bench.ms < 60_000
    assert found[:2] == (known.get_range_status(), known.get_distance())
    assert (found[1] < 2000) == (centre == 167), "who stands on that side"


@given(st.integers(0, 1_000_000))
def test_whatever_answers_nothing_but_oserror_comes_out_in_time(
    hostile_bench: Bench, seed: int
) -> None:
    ours = vl53l1x.Vl53l1x(Hostile(seed))
    for work in (lambda: ours.start(8, 16), *[lambda: ours.range(167)] * 10):
        began = hostile_bench.ms
        try:
            found = done(work(), hostile_bench)
        except OSError:
            found = None
        assert hostile_bench.ms - began <= 1500
        assert found is None or len(found) == 5


@pytest.mark.parametrize(("trouble", "told"), [("absent", "19"), ("babbling", "VL53L1X: ")])
def test_a_part_in_trouble_ends_in_oserror(bench: Bench, trouble: str, told: str) -> None:
    part = Vl53l1x(SteadySurroundings(), bench.machine, Random(1))
    ours = vl53l1x.Vl53l1x(Bus(part))
    setattr(part, trouble, True)
    with pytest.raises(OSError, match=told):
        done(ours.start(8, 16), bench)
    setattr(part, trouble, False)
    done(ours.start(8, 16), bench)
    assert done(ours.range(167), bench)[0] == vl53l1x.VALID


def test_a_part_that_hangs_is_freed_by_a_start(bench: Bench) -> None:
    part = Vl53l1x(SteadySurroundings(), bench.machine)
    ours = vl53l1x.Vl53l1x(Bus(part))
    done(ours.start(8, 16), bench)
    part.frozen = True
    done(ours.start(8, 16), bench)
    assert not part.frozen


def test_the_configuration_fills_registers_2d_to_87() -> None:
    assert len(vl53l1x.CONFIGURATION) == 0x87 - 0x2D + 1
    at = {0x2D + index: value for index, value in enumerate(vl53l1x.CONFIGURATION)}
    assert (at[0x46], at[0x5E], at[0x5F], at[0x7F], at[0x80]) == (0x20, 0x01, 0xCC, 0xC7, 0xFF)
    assert at[0x87] == 0  # not ranging yet


def test_a_result_reads_as_the_ultra_lite_driver_reads_it() -> None:
    block = bytearray(17)
    block[0] = 0xE9  # upper bits are not the status
    block[3] = 128
    block[7:9] = b"\x00\x14"
    block[13:15] = b"\x05\x14"
    block[15:17] = b"\x01\x00"
    assert vl53l1x.parse_result(bytes(block)) == (vl53l1x.VALID, 1300, 2048, 160, 128)


def test_statuses_are_those_of_st() -> None:
    def status(raw: int) -> int:
        return vl53l1x.parse_result(bytes((raw,)) + bytes(16))[0]

    assert [status(raw) for raw in (9, 6, 4, 7)] == [
        vl53l1x.VALID,
        vl53l1x.SIGMA_FAIL,
        vl53l1x.SIGNAL_FAIL,
        vl53l1x.WRAP_TARGET,
    ]
    assert [status(raw) for raw in (0, 24, 31)] == [255, 255, 255]


@given(st.binary(max_size=40))
def test_any_bytes_are_a_result_or_refused(data: bytes) -> None:
    if len(data) == 17:
        status, distance, signal, ambient, spads = vl53l1x.parse_result(data)
        assert 0 <= status <= 255
        assert min(distance, signal, ambient, spads) >= 0
    else:
        with pytest.raises(ValueError, match="expected 17 bytes"):
            vl53l1x.parse_result(data)


def test_a_region_of_interest_has_4_to_16_spads_a_side() -> None:
    assert vl53l1x.roi_size(8, 16) == 0xF7
    assert vl53l1x.roi_size(16, 16) == 0xFF
    for width, height in ((3, 16), (8, 17), (0, 0)):
        with pytest.raises(ValueError, match="expected 4 to 16"):
            vl53l1x.roi_size(width, height)

"""SPS30 and SEN5x: our drivers, the maker's drivers and the models against one another."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensirion_driver_adapters.i2c_adapter.i2c_channel import I2cChannel
from sensirion_i2c_driver import CrcCalculator, I2cConnection
from sensirion_i2c_sen5x import Sen5xI2cDevice
from sensirion_i2c_sps30.commands import OutputFormat
from sensirion_i2c_sps30.device import Sps30Device

from firmware.node.drivers import sensirion
from firmware.node.drivers.part import BEYOND, NOTHING, SAMPLE
from firmware.node.drivers.sen5x import Sen5x as Sen5xDriver
from firmware.node.drivers.sen5x import Sen5xClimate
from firmware.node.drivers.sps30 import Sps30 as Sps30Driver
from firmware.node.drivers.sps30 import tenths
from simulators.parts import Air, Climate, SteadySurroundings
from simulators.parts import sensirion as models
from simulators.parts.sen5x import Sen5x
from simulators.parts.sps30 import Sps30
from tests.unit.drivers import captures
from tests.unit.drivers.bench import Bench, Bus
from tests.unit.drivers.i2c import Hostile, Transceiver, done

WORLD = SteadySurroundings(Air(4.2, 8.4, 12.6), Climate(-3.5, 61.2, 101_300), 30.0)


def floats(*values: float) -> bytes:
    """Floats as an SPS30 sends them, CRCs and all."""
    return models.words(struct.pack(f">{len(values)}f", *values))


def test_the_crc_is_that_of_the_data_sheets_example() -> None:
    assert sensirion.crc8(b"\xbe\xef", 0, 2) == models.crc8(b"\xbe\xef") == 0x92


@given(st.binary(max_size=40))
def test_the_crc_is_that_of_the_makers_driver(data: bytes) -> None:
    known = CrcCalculator(8, 0x31, 0xFF, 0x00)(data)
    assert sensirion.crc8(data, 0, len(data)) == known


# ------------------------------------------------------------------------------ SPS30


def test_captured_floats_read_as_an_independent_decoder_reads_them() -> None:
    for frame in captures.frames("SPS30"):
        known = captures.decoded(frame, "SPS30")
        plain = frame[1:-1]
        for stuffed, byte in (
            (b"\x7d\x5e", b"\x7e"),
            (b"\x7d\x31", b"\x11"),
            (b"\x7d\x33", b"\x13"),
        ):
            plain = plain.replace(stuffed, byte)
        plain = plain.replace(b"\x7d\x5d", b"\x7d")
        block = models.words(plain[4:44])  # the same ten floats, as they are on I2C
        read = [tenths(block, index) for index in (0, 1, 3)]
        assert read == [round(10 * value) for value in (known.pm01, known.pm25, known.pm10)]


@given(st.binary(min_size=4, max_size=4))
def test_any_float_is_an_amount_or_refused(data: bytes) -> None:
    (value,) = struct.unpack(">f", data)
    read = tenths(models.words(data), 0)
    assert read == (int(value * 10 + 0.5) if 0 <= value <= 6000 else -1)


def test_sps30_model_and_driver_agree_with_the_makers_driver(bench: Bench) -> None:
    part = Sps30(WORLD, bench.machine)
    connection = I2cConnection(Transceiver(part, bench))
    theirs = Sps30Device(I2cChannel(connection, 0x69, CrcCalculator(8, 0x31, 0xFF, 0x00)))
    theirs.start_measurement(OutputFormat.OUTPUT_FORMAT_FLOAT)
    assert theirs.read_data_ready_flag() == 0
    bench.ms += 40_000
    assert theirs.read_data_ready_flag() == 1
    known = theirs.read_measurement_values_float()
    assert known is not None
    assert known[:4] == pytest.approx((4.2, 8.4, 10.92, 12.6), rel=1e-6)
    assert theirs.read_data_ready_flag() == 0
    theirs.stop_measurement()

    ours = Sps30Driver(Bus(part))
    done(ours.start(), bench)
    bench.ms += 40_000
    assert done(ours.poll(), bench) == SAMPLE
    assert ours.values == [42, 84, 126, 84]
    assert done(ours.poll(), bench) == NOTHING
    done(ours.rest(), bench)
    assert not part.fan


@given(st.binary(min_size=60, max_size=60))
def test_an_sps30_whose_crc_is_wrong_is_never_believed(data: bytes) -> None:
    good = all(sensirion.crc8(data, at, at + 2) == data[at + 2] for at in range(0, 60, 3))
    block = bytearray(data)
    for at in range(0, 60, 3):
        block[at + 2] = sensirion.crc8(block, at, at + 2)
    ours = Sps30Driver(Hostile(0))
    ours._block[:] = block
    assert ours._take() == (all(0 <= tenths(block, index) <= 10_000 for index in (0, 1, 3)))
    assert not good or block == data


# ------------------------------------------------------------------------------ SEN5x


def test_sen5x_model_and_driver_agree_with_the_makers_driver(bench: Bench) -> None:
    part = Sen5x(WORLD, bench.machine)
    theirs = Sen5xI2cDevice(I2cConnection(Transceiver(part, bench)))
    theirs.start_measurement()
    bench.ms += 40_000
    assert theirs.read_data_ready() is True
    known: Any = theirs.read_measured_values()
    assert known.mass_concentration_1p0.physical == pytest.approx(4.2)
    assert known.mass_concentration_2p5.physical == pytest.approx(8.4)
    assert known.mass_concentration_10p0.physical == pytest.approx(12.6)
    assert known.ambient_humidity.percent_rh == pytest.approx(61.2)
    assert known.ambient_temperature.degrees_celsius == pytest.approx(-3.5)
    assert known.voc_index.scaled == pytest.approx(100)
    assert known.nox_index.scaled == pytest.approx(10)
    theirs.stop_measurement()

    ours = Sen5xDriver(Bus(part))
    done(ours.start(), bench)
    bench.ms += 40_000
    assert done(ours.poll(), bench) == SAMPLE
    assert ours.values == [42, 84, 126, 84]
    assert ours.climate == [-350, 6120, 1000, 100]


def test_without_its_fan_a_sen5x_has_climate_and_no_particles(bench: Bench) -> None:
    part = Sen5x(WORLD, bench.machine)
    ours = Sen5xDriver(Bus(part))
    climate = Sen5xClimate(ours, shared=False)
    done(climate.start(), bench)
    bench.ms += 5_000
    assert not part.fan
    assert done(climate.poll(), bench) == SAMPLE
    assert climate.values == [-350, 6120, 0, 1000, 0], "NOx is not known in the first seconds"
    assert done(ours.poll(), bench) == NOTHING


def test_a_shared_sen5x_is_read_once_for_both(bench: Bench) -> None:
    part = Sen5x(WORLD, bench.machine)
    bus = Bus(part)
    ours = Sen5xDriver(bus)
    climate = Sen5xClimate(ours, shared=True)
    done(ours.start(), bench)
    done(climate.start(), bench)
    bench.ms += 40_000
    assert done(climate.poll(), bench) == NOTHING
    assert done(ours.poll(), bench) == SAMPLE
    before = bus.transactions
    assert done(climate.poll(), bench) == SAMPLE
    assert bus.transactions == before
    assert climate.values[:2] == [-350, 6120]
    # The particulate task lets the fan rest: the climate goes on.
    done(ours.rest(), bench)
    bench.ms += 5_000
    assert done(climate.poll(), bench) == SAMPLE


def test_a_sen50_has_no_climate(bench: Bench) -> None:
    part = Sen5x(WORLD, bench.machine)
    ours = Sen5xDriver(Bus(part))
    climate = Sen5xClimate(ours, shared=True)
    ours.measures = True
    ours.reads = 1
    assert done(climate.poll(), bench) == NOTHING


def test_humidity_out_of_the_world_is_beyond(bench: Bench) -> None:
    part = Sen5x(SteadySurroundings(weather=Climate(20, 140, 101_300)), bench.machine)
    climate = Sen5xClimate(Sen5xDriver(Bus(part)), shared=False)
    done(climate.start(), bench)
    bench.ms += 5_000
    assert done(climate.poll(), bench) == BEYOND


# ------------------------------------------------------------------------------ both


@pytest.mark.parametrize("driver", [Sps30Driver, Sen5xDriver])
@given(seed=st.integers(0, 1_000_000))
def test_whatever_answers_nothing_but_oserror_comes_out(
    driver: Any, seed: int, hostile_bench: Bench
) -> None:
    ours = driver(Hostile(seed))
    for work in (ours.start, *[ours.poll] * 20, ours.rest, ours.reset):
        began = hostile_bench.ms
        try:
            result = done(work(), hostile_bench)
        except OSError:
            continue
        finally:
            assert hostile_bench.ms - began <= 1000
        assert result in (None, NOTHING, SAMPLE, BEYOND)


@pytest.mark.parametrize(("driver", "model"), [(Sps30Driver, Sps30), (Sen5xDriver, Sen5x)])
def test_a_browned_out_part_answers_nothing_until_it_is_started(
    bench: Bench, driver: Any, model: Any
) -> None:
    part = model(WORLD, bench.machine)
    ours = driver(Bus(part))
    done(ours.start(), bench)
    bench.ms += 5_000
    assert done(ours.poll(), bench) == SAMPLE
    part.brown_out()
    with pytest.raises(OSError, match="19"):
        done(ours.poll(), bench)
    done(ours.start(), bench)
    bench.ms += 5_000
    assert done(ours.poll(), bench) == SAMPLE


def test_a_float_of_the_wire_in_tenths() -> None:
    assert [
        tenths(floats(0.0, 0.05, 123.44, 999.99, float("nan"), float("inf")), at) for at in range(6)
    ] == [
        0,
        1,
        1234,
        10_000,
        -1,
        -1,
    ]

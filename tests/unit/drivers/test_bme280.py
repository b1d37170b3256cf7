import struct
from typing import Any

import bme280 as independent
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firmware.node.drivers.bme280 import Bme280 as Driver
from firmware.node.drivers.bme280 import Calibration
from firmware.node.drivers.part import BEYOND, NOTHING, SAMPLE
from simulators.parts import Climate, SteadySurroundings
from simulators.parts.bme280 import Bme280
from tests.unit.drivers.bench import Bench, Bus
from tests.unit.drivers.i2c import Hostile, done

# The example of the BMP280's data sheet (section 3.12), whose formulas the BME280 shares.
EXAMPLE = (27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
SKIPPED = b"\x80\x00\x00"
HUMIDITY = bytes((0x6A, 0x01, 0x00, 0x14, 0x04, 0x00, 0x1E))  # H2 to H6: 362, 0, 324, 0, 30


def example() -> Calibration:
    return Calibration(
        struct.pack("<Hhh", *EXAMPLE[:3]) + struct.pack("<H8h", *EXAMPLE[3:]) + b"\0K", HUMIDITY
    )


class SmBus:
    """The registers of a model as the independent driver reads them."""

    def __init__(self, part: Bme280) -> None:
        self._part = part

    def read_byte_data(self, address: int, register: int) -> int:
        return self._read(register, 1)[0]

    def read_word_data(self, address: int, register: int) -> int:
        return int.from_bytes(self._read(register, 2), "little")

    def _read(self, register: int, count: int) -> bytes:
        self._part.write(bytes((register,)))
        return self._part.read(count)


def theirs(part: Bme280) -> Any:
    """The model's newest measurement, compensated by the independent driver in floating point."""
    bus = SmBus(part)
    constants = independent.load_calibration_params(bus, 0x76)
    part.write(b"\xf7")
    raw = independent.uncompensated_readings(part.read(8))
    return independent.compensated_readings(raw, constants)


def test_the_data_sheets_example() -> None:
    calibration = example()
    fine = calibration.fine(519888)
    assert fine == 128422
    assert calibration.temperature(fine) == 2508
    assert calibration.pressure(415148, fine) == 100653


CLIMATES = st.tuples(st.floats(-39, 60), st.floats(5, 95), st.floats(50_000, 108_000))


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
@given(CLIMATES)
def test_integers_agree_with_an_independent_driver_in_floating_point(
    hostile_bench: Bench, climate: tuple[float, float, float]
) -> None:
    part = Bme280(SteadySurroundings(weather=Climate(*climate)), hostile_bench.machine)
    ours = Driver(Bus(part))
    done(ours.start(), hostile_bench)
    part_says = part._registers
    polled = done(ours.poll(), hostile_bench)
    if SKIPPED in (bytes(part_says[0xF7:0xFA]), bytes(part_says[0xFA:0xFD])):
        # One weather in a million reads as what the part says when it did not measure.
        assert polled == NOTHING
        return
    assert polled == SAMPLE
    known = theirs(part)
    assert abs(ours.values[0] - 100 * known.temperature) <= 1.5
    assert abs(ours.values[1] - 100 * known.humidity) <= 3
    assert abs(ours.values[2] - 100 * known.pressure) <= 3
    # And the model is right about the air around it.
    assert abs(known.temperature - climate[0]) < 0.02
    assert abs(known.humidity - climate[1]) < 0.05
    assert abs(100 * known.pressure - climate[2]) < 3


@given(
    st.binary(min_size=26, max_size=26),
    st.binary(min_size=7, max_size=7),
    st.binary(min_size=8, max_size=8),
)
def test_any_constants_and_readings_give_numbers_within_bounds(
    low: bytes, high: bytes, data: bytes
) -> None:
    try:
        calibration = Calibration(low, high)
    except ValueError:
        assert len(set(low[:24])) == 1
        return
    fine = calibration.fine(int.from_bytes(data[:3], "big") >> 4)
    assert isinstance(calibration.temperature(fine), int)
    assert isinstance(calibration.pressure(int.from_bytes(data[3:6], "big") >> 4, fine), int)
    assert 0 <= calibration.humidity(int.from_bytes(data[6:], "big"), fine) <= 10_000


@given(st.integers(0, 1_000_000))
def test_whatever_answers_nothing_but_oserror_comes_out(hostile_bench: Bench, seed: int) -> None:
    ours = Driver(Hostile(seed))
    for work in (ours.start, *[ours.poll] * 10, ours.reset):
        try:
            result = done(work(), hostile_bench)
        except OSError:
            continue
        assert result in (None, NOTHING, SAMPLE, BEYOND)


def test_another_part_at_its_address_is_refused(bench: Bench) -> None:
    part = Bme280(SteadySurroundings(), bench.machine)
    part._registers[0xD0] = 0x58  # a BMP280, which has no humidity
    with pytest.raises(OSError, match="19"):
        done(Driver(Bus(part)).start(), bench)


@pytest.mark.parametrize("filled", [0x00, 0xFF])
def test_a_part_whose_constants_are_blank_is_refused(bench: Bench, filled: int) -> None:
    part = Bme280(SteadySurroundings(), bench.machine)
    part._registers[0x88:0xA2] = bytes((filled,)) * 26
    ours = Driver(Bus(part))
    with pytest.raises(OSError, match="5"):
        done(ours.start(), bench)
    assert ours.junk


def test_it_measures_again_after_a_brown_out(bench: Bench) -> None:
    part = Bme280(SteadySurroundings(weather=Climate(12, 70, 101_300)), bench.machine)
    ours = Driver(Bus(part))
    done(ours.start(), bench)
    assert done(ours.poll(), bench) == SAMPLE
    before = list(ours.values)
    part.brown_out()
    assert done(ours.poll(), bench) == SAMPLE
    assert ours.values == before


def test_readings_the_part_left_out_are_no_samples(bench: Bench) -> None:
    part = Bme280(SteadySurroundings(), bench.machine)
    ours = Driver(Bus(part))
    done(ours.start(), bench)
    part.frozen = True  # it takes no command: its registers are still those of power-up
    assert done(ours.poll(), bench) == NOTHING


def test_what_is_no_weather_is_beyond(bench: Bench) -> None:
    part = Bme280(SteadySurroundings(), bench.machine)
    ours = Driver(Bus(part))
    done(ours.start(), bench)
    part.lying = True
    assert done(ours.poll(), bench) == BEYOND


@given(st.integers(-40, 85), st.integers(-40, 85))
def test_warmer_raw_readings_are_warmer(low: int, high: int) -> None:
    assume(low < high)
    calibration = example()
    raws = [519888 + 3200 * (celsius - 25) for celsius in (low, high)]
    fines = [calibration.fine(raw) for raw in raws]
    assert calibration.temperature(fines[0]) < calibration.temperature(fines[1])

from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers.no2 import No2, concentration, n_hundredths
from firmware.node.drivers.part import BEYOND, NOTHING, SAMPLE
from firmware.node.samplers.conditions import Conditions
from tests.unit.drivers.bench import Bench
from tests.unit.drivers.i2c import done

# nT of the NO2-A43F in application note AAN 803, at -30, -20 .. 50 C.
TABLE = (0.8, 0.8, 1.0, 1.2, 1.6, 1.8, 1.9, 2.5, 3.6)


def n_of(celsius: float) -> float:
    """The table with straight lines between, in floating point."""
    place = min(max((celsius + 30) / 10, 0.0), 8.0)
    at = min(int(place), 7)
    return TABLE[at] + (TABLE[at + 1] - TABLE[at]) * (place - at)


def test_the_tables_own_points() -> None:
    assert [n_hundredths(1000 * at - 3000) for at in range(9)] == [round(100 * n) for n in TABLE]


@given(st.integers(-10_000, 10_000))
def test_between_and_beyond_them_it_is_a_straight_line(temperature: int) -> None:
    assert abs(n_hundredths(temperature) - 100 * n_of(temperature / 100)) <= 1


@given(
    st.integers(0, 3_100_000),
    st.integers(0, 3_100_000),
    st.integers(-4000, 6000),
    st.integers(0, 2_000_000),
    st.integers(0, 2_000_000),
    st.integers(1, 5000),
)
def test_integers_agree_with_the_application_notes_formula(
    we: int, ae: int, temperature: int, we_zero: int, ae_zero: int, sensitivity: int
) -> None:
    ppb = ((we - we_zero) - n_of(temperature / 100) * (ae - ae_zero)) / sensitivity
    ours = concentration(we, ae, temperature, we_zero, ae_zero, sensitivity)
    # A hundredth of nT is what its table in integers may be off.
    slack = 0.6 + 10 * 0.0101 * abs(ae - ae_zero) / sensitivity
    assert abs(ours - 10 * ppb) <= slack


@given(
    st.integers(0, 3_300_000),
    st.integers(0, 3_300_000),
    st.integers(0, 20_000),
    st.integers(0, 20_000),
    st.integers(0, 5000),
)
def test_any_voltages_and_calibration_are_a_bounded_sample_or_none(
    hostile_bench: Bench, we: int, ae: int, we_zero: int, ae_zero: int, sensitivity: int
) -> None:
    class Pin:
        def __init__(self, microvolts: int) -> None:
            self.read_uv = lambda: microvolts

    class Settings:
        values = {  # noqa: RUF012
            "gas/we_zero": we_zero,
            "gas/ae_zero": ae_zero,
            "gas/sensitivity": sensitivity,
        }

    part = No2(Pin(we), Pin(ae), Settings(), Conditions())
    what = done(part.poll(), hostile_bench)
    assert what in (NOTHING, SAMPLE, BEYOND)
    assert (what == NOTHING) == (min(we, ae) < 20_000)
    if what == SAMPLE:
        assert -20_000 <= part.values[0] <= 20_000
        assert sensitivity


def test_an_example_by_hand() -> None:
    # 25 C: nT 1.85. (260 - 234) mV - 1.85 (230 - 228) mV = 22.3 mV; at 0.25 mV/ppb 89.2 ppb.
    assert concentration(260_000, 230_000, 2500, 234_000, 228_000, 250) == 892

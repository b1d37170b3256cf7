from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers.no2 import concentration, n_hundredths

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


def test_an_example_by_hand() -> None:
    # 25 C: nT 1.85. (260 - 234) mV - 1.85 (230 - 228) mV = 22.3 mV; at 0.25 mV/ppb 89.2 ppb.
    assert concentration(260_000, 230_000, 2500, 234_000, 228_000, 250) == 892

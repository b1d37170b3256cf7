from hypothesis import given
from hypothesis import strategies as st

from firmware.node.samplers.air import epa, kappa_koehler

TENTHS = st.integers(0, 10_000)
HUMIDITY = st.integers(0, 10_000)


@given(TENTHS, HUMIDITY)
def test_epa_is_its_formula_to_a_tenth_and_never_below_nothing(cf1: int, humidity: int) -> None:
    true = max(0.0, 0.524 * cf1 / 10 - 0.0862 * humidity / 100 + 5.75)
    assert abs(epa(cf1, humidity) - 10 * true) <= 0.51


@given(TENTHS, HUMIDITY, st.integers(0, 1500))
def test_kappa_koehler_is_its_formula_to_a_tenth(pm: int, humidity: int, kappa: int) -> None:
    water = min(humidity / 10_000, 0.95)
    grown = 1 + (kappa / 1000 / 1.65) / (1 / water - 1) if water else 1
    assert abs(kappa_koehler(pm, humidity, kappa) - pm / grown) <= 0.51


def test_in_dry_air_particles_are_what_they_are() -> None:
    assert kappa_koehler(123, 0, 400) == 123
    assert kappa_koehler(123, 9000, 0) == 123
    assert kappa_koehler(1000, 9500, 400) == kappa_koehler(1000, 10_000, 400)


def test_nothing_in_smallint_range_overflows_a_32_bit_node() -> None:
    assert 52400 * 10_000 + 5_800_000 < 1 << 30

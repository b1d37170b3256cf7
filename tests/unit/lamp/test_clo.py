from hypothesis import given
from hypothesis import strategies as st

from firmware.node.lamp import clo, dali

TALQ = [[0, 80], [5000, 85], [10000, 90], [15000, 95], [20000, 100]]  # its own example


def test_talqs_example_is_straight_between_its_points() -> None:
    found = [clo.factor(TALQ, hours) for hours in (0, 2500, 5000, 12499, 20000, 60000)]
    assert found == [80, 83, 85, 92, 100, 100]


def test_no_curve_gives_all_the_light_there_is() -> None:
    assert clo.factor([], 0) == clo.factor([], 10**6) == 100


def test_before_its_first_point_a_curve_is_level() -> None:
    assert clo.factor([[1000, 70], [2000, 90]], 0) == 70


CURVES = st.lists(
    st.tuples(st.integers(0, 200_000), st.integers(1, 100)),
    min_size=1,
    max_size=8,
    unique_by=lambda point: point[0],
).map(sorted)


@given(CURVES, st.integers(0, 300_000))
def test_the_factor_lies_between_its_neighbours(curve: list[tuple[int, int]], hours: int) -> None:
    before = [percent for at, percent in curve if at <= hours][-1:]
    after = [percent for at, percent in curve if at >= hours][:1]
    around = before + after
    assert min(around) <= clo.factor(curve, hours) <= max(around)


@given(st.integers(1, 100), st.integers(1, 100), st.integers(1, 100))
def test_the_driver_gets_the_product_of_command_and_factors(
    level: int, virtual: int, share: int
) -> None:
    arc = clo.driven(dali.arc_level(level), clo.shift(virtual, share))
    light = dali.duty(arc) / 65535 * 100
    exact = level * virtual * share / 10_000
    if exact >= 1.1:
        assert abs(light / exact - 1) < 0.045  # three roundings to the curve's steps of 2.8 %
    else:
        assert 0.9 < light < 1.15, "never below what drivers do well"


def test_all_the_light_and_darkness_stay_what_they_are() -> None:
    assert clo.shift(100, 100) == 0
    for arc in range(255):
        assert clo.driven(arc, 0) == arc
    assert clo.driven(0, 100) == 0
    assert clo.driven(40, 30) == 40

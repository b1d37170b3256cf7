import math

from firmware.node.lamp import dali
from firmware.node.lamp.ramp import Ramp


def light(arc: int) -> float:
    """X(n) of IEC 62386-102, in percent."""
    return 10 ** ((arc - 1) / (253 / 3) - 1) if arc else 0.0


def test_duties_are_those_of_the_standard_curve() -> None:
    assert [dali.duty(arc) for arc in range(255)] == [
        round(light(arc) / 100 * 65535) for arc in range(255)
    ]


def test_arc_levels_are_the_nearest_on_the_log_scale() -> None:
    expected = [0] + [round(1 + 253 / 3 * (math.log10(percent) + 1)) for percent in range(1, 101)]
    assert [dali.arc_level(percent) for percent in range(101)] == expected
    assert (expected[1], expected[10], expected[100]) == (85, 170, 254)


def test_light_grows_with_the_dimming_level_from_dark_to_full() -> None:
    duties = [dali.duty(dali.arc_level(percent)) for percent in range(101)]
    assert duties == sorted(duties)
    assert (duties[0], duties[100]) == (0, 65535)


def test_light_is_the_dimming_level_within_the_curves_step() -> None:
    for percent in range(1, 101):
        assert abs(light(dali.arc_level(percent)) / percent - 1) < 0.014


def test_percent_is_the_light_of_an_arc_level() -> None:
    assert dali.percent(0) == 0
    for arc in range(1, 255):
        assert dali.percent(arc) == max(1, round(light(arc)))


def test_values_out_of_range_are_brought_into_it() -> None:
    assert dali.arc_level(-5) == 0
    assert dali.arc_level(250) == 254
    assert dali.duty(-1) == 0
    assert dali.duty(999) == 65535


def test_a_ramp_is_even_on_the_curve_and_ends_where_it_should() -> None:
    ramp = Ramp(254, 170, 1000)
    assert [ramp.arc(elapsed) for elapsed in (0, 250, 500, 1000, 9999)] == [254, 233, 212, 170, 170]
    assert not ramp.done(999)
    assert ramp.done(1000)


def test_a_ramp_leaves_and_reaches_darkness_through_the_lowest_light() -> None:
    up, down = Ramp(0, 254, 1000), Ramp(254, 0, 1000)
    assert up.arc(0) == dali.LOWEST
    assert dali.LOWEST <= down.arc(999) <= dali.LOWEST + 1
    assert down.arc(1000) == 0


def test_a_ramp_between_low_levels_never_overshoots() -> None:
    for start in range(0, 90, 3):
        for end in range(0, 90, 3):
            levels = [Ramp(start, end, 100).arc(elapsed) for elapsed in range(0, 120, 5)]
            assert max(levels) <= max(start, end)
            assert levels[-1] == end


def test_a_ramp_of_no_time_or_no_way_is_over_at_once() -> None:
    assert Ramp(254, 10, 0).arc(0) == 10
    assert Ramp(0, 0, 1000).arc(0) == 0

import pytest

from simulators.parts.luminaire import Luminaire


def test_with_no_node_at_all_it_is_on_and_full() -> None:
    assert Luminaire().dimming_level == 100


def test_light_and_power_follow_the_duty() -> None:
    lamp = Luminaire(rated_watts=60)
    powers: list[float] = []
    for duty in range(0, 65536, 4369):
        lamp.pwm(duty)
        assert lamp.dimming_level == pytest.approx(duty / 655.35)
        powers.append(lamp.power_watts(230))
    assert powers == sorted(powers)
    assert powers[-1] == pytest.approx(60)
    assert 0 < powers[0] < 6  # a driver that is fed draws power even when dark


def test_without_its_relay_or_mains_it_is_dark_and_draws_nothing() -> None:
    lamp = Luminaire()
    lamp.relay(False)
    assert (lamp.dimming_level, lamp.power_watts(230)) == (0, 0)
    lamp.relay(True)
    assert lamp.power_watts(0) == 0


def test_failures_show_in_light_and_power() -> None:
    dead = Luminaire(failed=True)
    assert dead.dimming_level == 0
    assert 0 < dead.power_watts(230) < 5
    welded = Luminaire(stuck_on=True)
    welded.relay(False)
    assert welded.dimming_level == 100
    assert welded.power_watts(230) > 50


def test_each_fault_can_be_had_alone() -> None:
    opened = Luminaire(stuck_open=True)
    assert (opened.dimming_level, opened.power_watts(230)) == (0, 0)
    stuck = Luminaire(stuck_duty=20000)
    stuck.pwm(60000)
    assert stuck.dimming_level == pytest.approx(100 * 20000 / 65535)
    hungry = Luminaire(rated_watts=60, power_scale=1.5)
    assert hungry.power_watts(230) == pytest.approx(90)
    times = iter([False, True, False])
    cycling = Luminaire(out=lambda: next(times))
    assert [cycling.dimming_level for _ in range(3)] == [100, 0, 100]


def test_a_welded_relay_and_a_broken_dimming_line_burn_by_day() -> None:
    lamp = Luminaire(stuck_on=True, stuck_duty=65535)
    lamp.pwm(0)
    lamp.relay(False)
    assert lamp.power_watts(230) == pytest.approx(60)
    assert lamp.dimming_level == 100


@pytest.mark.parametrize("duty", [-1, 65536])
def test_a_duty_out_of_range_is_refused(duty: int) -> None:
    with pytest.raises(ValueError, match=r"expected 0\.\.65535"):
        Luminaire().pwm(duty)

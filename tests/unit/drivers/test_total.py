from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers.bl0942 import COUNTER, MICROWATTHOURS
from firmware.node.samplers.total import EnergyTotal


def run(total: EnergyTotal, start: int, steps: list[int], began: int = 0) -> None:
    """Feed a meter's counter that grows by ``steps`` a minute, from ``start``."""
    total.update(start % COUNTER, began)
    for index, step in enumerate(steps):
        start += step
        total.update(start % COUNTER, began + 60 * (index + 1))


@given(st.integers(0, COUNTER - 1), st.lists(st.integers(0, 700), max_size=60))
def test_energy_adds_up_over_every_wrap(start: int, steps: list[int]) -> None:
    total = EnergyTotal()
    run(total, start, steps)
    assert total.watthours == sum(steps) * MICROWATTHOURS // 1_000_000
    assert (total.restarts, total.implausible) == (0, 0)


def test_a_wrap_is_crossed_without_a_jump() -> None:
    total = EnergyTotal()
    run(total, COUNTER - 100, [50, 50, 50])
    assert total.watthours == 150 * MICROWATTHOURS // 1_000_000


def test_a_meter_that_restarted_counts_from_zero() -> None:
    total = EnergyTotal()
    total.update(1_000_000, 0)
    total.update(1_000_100, 60)
    total.update(40, 120)
    total.update(60, 180)
    assert total.watthours == (100 + 40 + 20) * MICROWATTHOURS // 1_000_000
    assert total.restarts == 1


def test_a_counter_that_leaps_adds_nothing_and_is_followed_from_there() -> None:
    total = EnergyTotal()
    total.update(100, 0)
    total.update(8_000_000, 60)
    total.update(8_000_010, 120)
    assert total.watthours == 10 * MICROWATTHOURS // 1_000_000
    assert total.implausible == 1


def test_the_total_outlives_a_restart_with_what_was_used_meanwhile(tmp_path: Path) -> None:
    path = str(tmp_path / "energy")
    total = EnergyTotal(path)
    run(total, 5000, [100, 100])
    total.save()
    again = EnergyTotal(path)
    assert again.watthours == total.watthours
    again.update(5250, 7)  # the meter went on while the node was off
    assert again.watthours == 250 * MICROWATTHOURS // 1_000_000


def test_the_total_outlives_a_power_cut_of_node_and_meter(tmp_path: Path) -> None:
    path = str(tmp_path / "energy")
    total = EnergyTotal(path)
    run(total, 5000, [300])
    total.save()
    again = EnergyTotal(path)
    again.update(12, 3)
    assert again.watthours == 312 * MICROWATTHOURS // 1_000_000


@given(data=st.binary(max_size=40))
def test_any_file_is_a_total_or_a_counted_failure(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("energy") / "energy"
    path.write_bytes(data)
    total = EnergyTotal(str(path))
    assert (total.watthours, total.failures) == (0, 1)


def test_a_folder_that_is_gone_costs_the_file_and_nothing_else(tmp_path: Path) -> None:
    total = EnergyTotal(str(tmp_path / "gone" / "energy"))
    run(total, 0, [100])
    total.save()
    assert total.failures == 2  # at the first reading, and now
    assert total.watthours == 18


def test_a_new_node_begins_at_nothing_whatever_the_meter_shows(tmp_path: Path) -> None:
    total = EnergyTotal(str(tmp_path / "energy"))
    total.update(7_000_000, 0)
    assert (total.watthours, total.failures, total.implausible) == (0, 0, 0)
    again = EnergyTotal(str(tmp_path / "energy"))
    again.update(7_000_100, 0)  # it restarted before its first record
    assert again.watthours == 18

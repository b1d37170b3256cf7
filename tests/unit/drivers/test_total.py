import struct
from binascii import crc32
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers.bl0942 import COUNTER, MICROJOULES
from firmware.node.drivers.cse7766 import WRAP
from firmware.node.samplers.total import EnergyTotal

WATTHOUR = 3_600_000_000  # uJ


@dataclass(frozen=True)
class Meter:
    wrap: int
    unit: int  # uJ
    code: int = 2

    def most(self, seconds: int) -> int:
        """Counts of 8 kW in so long, and the two seconds that readings may be late."""
        return min(8_000_000_000 * (seconds + 2) // self.unit, self.wrap - 1)


BL0942 = Meter(COUNTER, MICROJOULES)
CSE7766 = Meter(WRAP, 5_351_000, 3)
METERS = st.sampled_from((BL0942, CSE7766))


def update(total: EnergyTotal, counter: int, now: int, meter: Meter = BL0942) -> None:
    total.update(counter, now, meter.wrap, meter.unit)


def run(total: EnergyTotal, start: int, steps: list[int], began: int = 0) -> None:
    """Feed a BL0942's counter that grows by ``steps`` a minute, from ``start``."""
    update(total, start % COUNTER, began)
    for index, step in enumerate(steps):
        start += step
        update(total, start % COUNTER, began + 60 * (index + 1))


def watthours(counts: int) -> int:
    return counts * MICROJOULES // WATTHOUR


@given(st.integers(0, COUNTER - 1), st.lists(st.integers(0, 700), max_size=60))
def test_energy_adds_up_over_every_wrap(start: int, steps: list[int]) -> None:
    total = EnergyTotal()
    run(total, start, steps)
    assert total.watthours == watthours(sum(steps))
    assert (total.restarts, total.implausible) == (0, 0)


@given(st.data(), METERS)
def test_against_exact_truth_the_total_errs_by_what_its_restarts_can_hide(
    data: st.DataObject, meter: Meter
) -> None:
    total = EnergyTotal(meter=meter.code)
    begin = data.draw(st.integers(0, meter.wrap - 1))
    used = 0  # counts in truth, without end
    shown = begin  # what the meter shows, without wrapping
    now = 0
    low = high = 0  # counts that the total may differ by
    update(total, begin, 0, meter)
    for _ in range(data.draw(st.integers(0, 40))):
        seconds = data.draw(st.integers(1, 30))
        # No more than 6 kW, and less than half a turn of the counter at a time.
        most = min(6_000_000_000 * seconds // meter.unit, meter.wrap // 2)
        before = data.draw(st.integers(0, most))
        used += before
        if data.draw(st.integers(0, 7)) == 0:
            after = data.draw(st.integers(0, most - before))
            shown = after
            used += after
            # Lost: what it had not told. Made up: at most 8 kW of the time, where the restart
            # looks like a wrap. Lost as well: a restart so late that the counter did not go back.
            low += before + after
            high += meter.most(seconds)
        else:
            shown += before
        now += seconds
        update(total, shown % meter.wrap, now, meter)
        assert (used - low) * meter.unit // WATTHOUR <= total.watthours
        assert total.watthours <= (used + high) * meter.unit // WATTHOUR


def test_a_wrap_is_crossed_without_a_jump() -> None:
    total = EnergyTotal()
    run(total, COUNTER - 100, [50, 50, 50])
    assert total.watthours == watthours(150)


def test_a_counter_of_16_bits_wraps_every_hundred_watt_hours_unnoticed() -> None:
    total = EnergyTotal(meter=3)
    count = 65_000
    for second in range(20_000):  # 100 W: 18.7 pulses a second
        update(total, (count + 187 * second // 10) % WRAP, second, CSE7766)
    assert total.watthours == 187 * 19_999 // 10 * CSE7766.unit // WATTHOUR
    assert (total.restarts, total.implausible) == (0, 0)


def test_a_meter_that_restarted_counts_from_zero() -> None:
    total = EnergyTotal()
    update(total, 1_000_000, 0)
    update(total, 1_000_100, 60)
    update(total, 40, 120)
    update(total, 60, 180)
    assert total.watthours == watthours(100 + 40 + 20)
    assert total.restarts == 1


def test_a_counter_that_leaps_adds_nothing_and_is_followed_from_there() -> None:
    total = EnergyTotal()
    update(total, 100, 0)
    update(total, 8_000_000, 60)
    update(total, 8_000_010, 120)
    assert total.watthours == watthours(10)
    assert total.implausible == 1


def test_the_total_outlives_a_restart_with_what_was_used_meanwhile(tmp_path: Path) -> None:
    path = str(tmp_path / "energy")
    total = EnergyTotal(path)
    run(total, 5000, [100, 100])
    total.save()
    again = EnergyTotal(path)
    assert again.watthours == total.watthours
    update(again, 5250, 7)  # the meter went on while the node was off
    assert again.watthours == watthours(250)


def test_the_total_outlives_a_power_cut_of_node_and_meter(tmp_path: Path) -> None:
    path = str(tmp_path / "energy")
    total = EnergyTotal(path)
    run(total, 5000, [300])
    total.save()
    again = EnergyTotal(path)
    update(again, 12, 3)
    assert again.watthours == watthours(312)


@pytest.mark.parametrize(
    ("cold", "counts"), [(True, 45_000 + 20), (False, 45_000 + 65_536 - 44_980)]
)
def test_a_small_counter_after_power_came_has_restarted_and_after_a_reset_wrapped(
    tmp_path: Path, cold: bool, counts: int
) -> None:
    path = str(tmp_path / "energy")
    total = EnergyTotal(path, 3)
    update(total, 0, 0, CSE7766)
    update(total, 45_000, 60, CSE7766)
    total.save()
    again = EnergyTotal(path, 3, cold=cold)
    update(again, 20, 2, CSE7766)
    assert again.watthours == counts * CSE7766.unit // WATTHOUR


def test_a_counter_that_is_the_nodes_own_begins_with_it(tmp_path: Path) -> None:
    path = str(tmp_path / "energy")
    total = EnergyTotal(path, 4, keeps=False)
    update(total, 0, 0)
    update(total, 400, 60)
    total.save()
    again = EnergyTotal(path, 4, keeps=False)
    update(again, 410, 60)  # 410 since the start, not 10
    assert again.watthours == watthours(810)


def test_another_meter_goes_on_from_the_total_and_not_from_the_counter(tmp_path: Path) -> None:
    path = str(tmp_path / "energy")
    total = EnergyTotal(path, 2)
    run(total, 0, [300])
    total.save()
    again = EnergyTotal(path, 3)
    assert again.watthours == watthours(300)
    update(again, 40_000, 5, CSE7766)
    assert again.watthours == watthours(300)
    update(again, 41_000, 65, CSE7766)
    assert again.watthours == (300 * MICROJOULES + 1000 * CSE7766.unit) // WATTHOUR


def test_the_file_of_version_0_1_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "energy"
    body = struct.pack("<QI", 20_000, 7000)
    path.write_bytes(body + struct.pack("<I", crc32(body)))
    total = EnergyTotal(str(path))
    assert (total.watthours, total.failures) == (watthours(20_000), 0)
    update(total, 7100, 5)
    assert total.watthours == watthours(20_100)


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
    update(total, 7_000_000, 0)
    assert (total.watthours, total.failures, total.implausible) == (0, 0, 0)
    again = EnergyTotal(str(tmp_path / "energy"))
    update(again, 7_000_100, 0)  # it restarted before its first record
    assert again.watthours == 18

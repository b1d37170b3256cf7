"""The power goes at every write of a node's life, and once more while it recovers.

Afterwards the lamp burns, the node boots a whole slot, and nothing it promised is missing. The
first life has an upload, delta or multicast, its unpacking, the switch, a trial with its end, a key
change, a configuration, counters and log; what is written often has sweeps of its own beside it.
"""

import pytest

from simulators.tools import Interpreter
from tests.device import cuts
from tests.device.cuts import GOALS, HOW, SLOTS, Swept
from tests.device.update_images import Bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return cuts.sweep_bench(tmp_path_factory.mktemp("power"))


def enough(swept: Swept, stride: int, writes: int) -> None:
    """The life has at least so many writes; a sweep that misses most of it is none."""
    print(f"{swept.points} cut points, {swept.seconds} second cuts, {swept.writes} writes a life")
    assert swept.writes >= writes
    assert swept.points == (swept.writes + stride - 1) // stride
    assert swept.seconds > swept.points


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("slots", SLOTS)
def test_no_power_cut_costs_the_light_a_start_or_a_promise(
    micropython: Interpreter, bench: Bench, slots: str, goal: str, how: str
) -> None:
    # A sample; the two word sizes differ in nothing here.
    strides = (7, 3, 9) if micropython.bits == 64 else (23, 2, 19)
    enough(cuts.update(micropython, bench, slots, goal, how, strides), strides[0], 140)


@pytest.mark.parametrize("how", HOW)
def test_no_durable_record_is_lost_wherever_the_power_goes(
    micropython: Interpreter, how: str
) -> None:
    strides = (9, 9, 29) if micropython.bits == 64 else (61, 4, 61)
    enough(cuts.log(micropython, how, strides), strides[0], 400)


@pytest.mark.parametrize("how", HOW)
def test_configuration_and_seal_are_old_or_new_wherever_the_power_goes(
    micropython: Interpreter, how: str
) -> None:
    enough(cuts.settings(micropython, how, (1, 1, 1)), 1, 12)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("what", ["hours", "energy"])
def test_nothing_that_was_counted_and_saved_is_lost_wherever_the_power_goes(
    micropython: Interpreter, what: str, how: str
) -> None:
    enough(cuts.counters(micropython, what, how, (1, 4, 1)), 1, 12)


@pytest.mark.soak
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("slots", SLOTS)
def test_no_power_cut_at_all_costs_the_light_a_start_or_a_promise(
    micropython: Interpreter, bench: Bench, slots: str, goal: str, how: str
) -> None:
    # Every pair of writes in one word size, every fifth in the other.
    strides = (1, 1, 1 if micropython.bits == 64 else 5)
    enough(cuts.update(micropython, bench, slots, goal, how, strides), 1, 140)


@pytest.mark.soak
@pytest.mark.parametrize("how", HOW)
def test_no_durable_record_is_lost_at_any_pair_of_cuts(micropython: Interpreter, how: str) -> None:
    strides = (1, 1, 7 if micropython.bits == 64 else 31)
    enough(cuts.log(micropython, how, strides), 1, 400)
    if micropython.bits == 64:
        # And each pair within a turn of a tail and of a segment.
        assert cuts.log(micropython, how, (17, 1, 1)).seconds > 400


@pytest.mark.soak
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("what", ["hours", "energy"])
def test_nothing_counted_is_lost_at_any_pair_of_cuts(
    micropython: Interpreter, what: str, how: str
) -> None:
    enough(cuts.counters(micropython, what, how, (1, 1, 1)), 1, 12)

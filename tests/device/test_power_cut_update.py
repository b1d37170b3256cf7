"""The power goes at every write of a node's life: it starts, and nothing it promised is missing.

The life has an upload, delta or multicast, its unpacking, the switch, a trial with its end, a key
change, a configuration, counters and log; log and configuration have sweeps of their own beside it
(test_node_log.py).
"""

import re

import pytest

from firmware.build import build_delta, sign
from simulators.tools import Interpreter
from tests.device.update_images import Bench, make_bench, run_script

GOALS = ("confirm", "revert", "delta", "multicast")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = make_bench(tmp_path_factory.mktemp("power"))
    first, second = ((bench.folder / f"{name}.img").read_bytes() for name in ("v1", "v2"))
    bench.write("delta.img", sign(build_delta(first, second), bench.key))
    return bench


def sweep(
    micropython: Interpreter, bench: Bench, goal: str, how: str, stride: int, again: int
) -> tuple[int, int, int]:
    """(writes of the life, cut points tried, second cuts tried)."""
    said = run_script(
        micropython, bench, "sweep.py", goal, how, str(stride), str(again), timeout=900
    )
    counted = re.fullmatch(r"writes (\d+) cut points (\d+) second cuts (\d+)", said[-1])
    assert counted, said
    print(f"{goal} {how} {micropython.bits}-bit: {said[-1]}")
    writes, points, seconds = map(int, counted.groups())
    # Each start alone writes some: a sweep that misses most of the life is none.
    assert writes > 180
    assert points == (writes + stride - 1) // stride
    return writes, points, seconds


@pytest.mark.parametrize("how", ["clean", "torn"])
@pytest.mark.parametrize("goal", GOALS)
def test_no_power_cut_costs_the_light_a_start_or_a_promise(
    micropython: Interpreter, bench: Bench, goal: str, how: str
) -> None:
    # A sample; the two word sizes differ in nothing here.
    stride = 7 if micropython.bits == 64 else 23
    _, _, seconds = sweep(micropython, bench, goal, how, stride, 3)
    assert seconds > 5


@pytest.mark.soak
@pytest.mark.parametrize("how", ["clean", "torn"])
@pytest.mark.parametrize("goal", GOALS)
def test_no_power_cut_at_all_costs_the_light_a_start_or_a_promise(
    micropython: Interpreter, bench: Bench, goal: str, how: str
) -> None:
    writes, points, seconds = sweep(micropython, bench, goal, how, 1, 1)
    assert points == writes
    assert seconds > writes

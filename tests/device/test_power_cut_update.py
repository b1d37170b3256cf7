"""The power goes at every write of an update: the lamppost starts, the update can be finished."""

import re

import pytest

from simulators.tools import Interpreter
from tests.device.update_images import Bench, make_bench, run_script


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return make_bench(tmp_path_factory.mktemp("power"))


@pytest.mark.parametrize("how", ["clean", "torn"])
@pytest.mark.parametrize("goal", ["confirm", "revert"])
def test_no_power_cut_leaves_a_lamppost_without_application(
    micropython: Interpreter, bench: Bench, goal: str, how: str
) -> None:
    said = run_script(micropython, bench, "power_cut.py", goal, how)
    counted = re.fullmatch(r"cut points (\d+) second cuts (\d+)", said[-1])
    assert counted, said
    points, seconds = map(int, counted.groups())
    print(f"{goal} {how} {micropython.bits}-bit: {points} cut points, {seconds} second cuts")
    # Upload, erase, unpack, read back, mark pending, trial boot and confirm or revert all write.
    assert points > 100
    assert seconds > 20

"""Key changes and sealed broadcasts, under the real MicroPython on the real littlefs."""

import pytest

from simulators.tools import Interpreter
from tests.device.node_scripts import run


def test_keys_follow_one_another_without_a_gap(micropython: Interpreter) -> None:
    assert run(micropython, "keys.py")[-1] == "passed 12"


@pytest.mark.parametrize("kind", ["clean", "torn"])
def test_a_key_works_at_whatever_write_of_a_change_the_power_goes(
    micropython: Interpreter, kind: str
) -> None:
    said = run(micropython, "keys_cuts.py", kind)[-1]
    print(f"key change, {kind}: {said}")
    assert int(said.removeprefix("cut points ")) > 40

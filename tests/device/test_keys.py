"""Key changes and sealed broadcasts, under the real MicroPython on the real littlefs."""

from simulators.tools import Interpreter
from tests.device.node_scripts import run


def test_keys_follow_one_another_without_a_gap(micropython: Interpreter) -> None:
    assert run(micropython, "keys.py")[-1] == "passed 12"

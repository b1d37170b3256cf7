"""The Bluetooth link under the real MicroPython, over a radio that the test plays."""

from simulators.tools import Interpreter
from tests.device.node_scripts import run


def test_the_link_answers_whole_requests_and_survives_all_others(
    micropython: Interpreter,
) -> None:
    said = run(micropython, "ble_link.py", heap="4M")

    assert said[-1] == "passed 14", said

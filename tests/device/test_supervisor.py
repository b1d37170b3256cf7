"""The node's supervisor under the real MicroPython."""

from simulators.tools import Interpreter
from tests.device.node_scripts import run


def test_supervisor_keeps_tasks_alive_and_feeds_the_watchdog_only_then(
    micropython: Interpreter,
) -> None:
    said = run(micropython, "supervision.py")

    assert said[-1] == "passed 10", said


def test_memory_and_flash_are_watched_and_safe_mode_ends_by_itself(
    micropython: Interpreter,
) -> None:
    assert run(micropython, "watches.py", heap="1M")[-1] == "passed 4"

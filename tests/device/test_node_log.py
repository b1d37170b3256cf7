"""The node's log under the real MicroPython on the real littlefs."""

from pathlib import Path

from simulators.tools import Interpreter
from tests.device.node_scripts import run


def test_log_collects_forgets_and_overwrites_as_it_should(micropython: Interpreter) -> None:
    said = run(micropython, "log_life.py")

    assert said[-1] == "passed 16", said


def test_clock_is_right_over_either_epoch_of_the_interpreter(micropython: Interpreter) -> None:
    assert run(micropython, "clock_rtc.py") == ["passed"]


def test_log_works_in_a_small_heap(tmp_path: Path) -> None:
    said = run(Interpreter(32), "log_small.py", str(tmp_path / "flash.bin"), heap="64K")

    assert said[-1].startswith("records 400"), said


def test_scripts_are_all_run() -> None:
    scripts = Path(__file__).parent / "scripts" / "node"
    ran = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))

    helpers = {"blocks.py", "cuts.py", "rig.py"}
    names = {path.name for path in scripts.glob("*.py")} - helpers
    assert names
    assert [name for name in sorted(names) if f'"{name}"' not in ran] == []

"""The lamp under the real MicroPython, with fake pins and time that the script moves."""

import json
import re
from pathlib import Path

from firmware.node.lamp import dali, sun
from simulators.tools import Interpreter

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "scripts" / "lamp"


def test_the_lamps_service_behaves(micropython: Interpreter) -> None:
    script = SCRIPTS / "service.py"
    expected = set(re.findall(r"^def (\w+_\w+)\(\):", script.read_text(), re.MULTILINE))
    assert len(expected) >= 15

    said = micropython.run(script, path=[SCRIPTS, REPOSITORY], heap="4M")

    assert set(said.split()) == expected


GRID = (
    "[(kind, day, latitude) for kind in (1, 2, 3, 4) for day in range(19723, 25568, 211)"
    " for latitude in (-600000, 0, 515074, 600000, 780000)]"
)


def test_the_sun_is_where_cpython_sees_it(micropython: Interpreter) -> None:
    said = micropython.run(
        "from firmware.node.lamp import sun\n"
        f"for kind, day, latitude in {GRID}:\n"
        "    print(sun.event(kind, day, latitude, 135000, 60))",
        path=[REPOSITORY],
        heap="4M",
    )
    grid: list[tuple[int, int, int]] = eval(GRID)  # noqa: S307
    expected = [sun.event(kind, day, latitude, 135000, 60) for kind, day, latitude in grid]
    assert {sun.STAYS_UP, sun.STAYS_DOWN} < set(expected)
    for ours, theirs in zip(said.split(), expected, strict=True):
        assert abs(int(ours) - theirs) <= 1


def test_a_month_of_nights_needs_no_more_memory_than_its_first_one(
    micropython: Interpreter,
) -> None:
    said = micropython.run(SCRIPTS / "memory.py", path=[SCRIPTS, REPOSITORY], heap="128K")
    first, last = map(int, said.split())
    assert last <= first + 512


def test_the_dali_tables_are_the_same_there(micropython: Interpreter) -> None:
    said = micropython.run(
        "from firmware.node.lamp import dali\n"
        "print([dali.duty(dali.arc_level(level)) for level in range(101)])",
        path=[REPOSITORY],
    )
    assert json.loads(said) == [dali.duty(dali.arc_level(level)) for level in range(101)]

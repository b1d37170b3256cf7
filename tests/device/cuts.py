"""The sweeps of power cuts, each with the figures that its device script prints.

The tests run samples of them and, under soak, all of them; the bench reports how many cut points
that makes. A stride of 1 is every write. Each takes three: of the first cuts, of those of them that
get a second one in the life after, and of the writes of that life.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from firmware.build import build_delta, sign
from simulators.tools import Interpreter
from tests.device import node_scripts
from tests.device.update_images import Bench, make_bench, run_script

HOW = ("clean", "torn")
GOALS = ("confirm", "revert", "delta", "multicast")
SLOTS = ("folders", "halves")

_LAMP = Path(__file__).parent / "scripts" / "lamp"
_PATIENCE = 3600.0


@dataclass(frozen=True)
class Swept:
    """What a sweep did.

    Attributes:
        writes: erases, programs and NVS commits of one life.
        points: of these, how many were cut.
        seconds: cuts of the life after a first cut.
    """

    writes: int
    points: int
    seconds: int


Strides = tuple[int, int, int]


def sweep_bench(folder: Path) -> Bench:
    """The images that :func:`update` needs."""
    bench = make_bench(folder)
    first, second = ((folder / f"{name}.img").read_bytes() for name in ("v1", "v2"))
    bench.write("delta.img", sign(build_delta(first, second), bench.key))
    return bench


def update(
    micropython: Interpreter, bench: Bench, slots: str, goal: str, how: str, strides: Strides
) -> Swept:
    """A release with one of GOALS, a key change, a configuration and a log, in one of SLOTS."""
    arguments = (slots, goal, how, *map(str, strides))
    return _swept(run_script(micropython, bench, "sweep.py", *arguments, timeout=_PATIENCE))


def log(micropython: Interpreter, how: str, strides: Strides) -> Swept:
    """The log: appends, acknowledgements, the turn of its ring."""
    return _swept(_node(micropython, "log_cuts.py", how, strides))


def settings(micropython: Interpreter, how: str, strides: Strides) -> Swept:
    """A configuration and the counters of the seal."""
    return _swept(_node(micropython, "settings_cuts.py", how, strides))


def counters(micropython: Interpreter, what: str, how: str, strides: Strides) -> Swept:
    """The burning "hours", or the "energy" total."""
    said = micropython.run(
        _LAMP / "counters_cuts.py",
        str(node_scripts.SCRIPTS),
        what,
        how,
        *map(str, strides),
        path=[_LAMP, node_scripts.REPOSITORY],
        heap="64M",
        timeout=_PATIENCE,
    )
    return _swept(said.splitlines())


def _node(micropython: Interpreter, script: str, how: str, strides: Strides) -> list[str]:
    return node_scripts.run(
        micropython, script, how, *map(str, strides), heap="32M", timeout=_PATIENCE
    )


def _swept(said: Iterable[str]) -> Swept:
    for line in said:
        found = re.fullmatch(r"writes (\d+) cut points (\d+) second cuts (\d+)", line)
        if found:
            return Swept(*map(int, found.groups()))
    raise AssertionError(f"expected a line with the cut points, got {said}")

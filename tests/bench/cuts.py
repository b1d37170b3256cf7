"""Power cuts that a node is put through: the sweeps of the device tests, counted as they count."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from simulators.tools import Interpreter
from tests.bench.rows import Row
from tests.device import cuts
from tests.device.cuts import GOALS, HOW, SLOTS, Strides, Swept

# Each write once, and a sample of the second cuts: all of them, under make soak, take hours.
_UPDATE: Strides = (1, 9, 17)
_LOG: Strides = (1, 30, 29)
_SMALL: Strides = (1, 1, 1)
_WORDS = {
    "confirm": "update that is kept",
    "revert": "update that is given up",
    "delta": "update by delta",
    "multicast": "update by multicast",
}


def run() -> list[Row]:
    """Sweep each subject, cut clean and torn; raises where a cut costs anything."""
    micropython = Interpreter(64)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = cuts.sweep_bench(Path(folder))
        for slots in SLOTS:
            for goal in GOALS:
                rows += _rows(
                    f"{_WORDS[goal]}, slots are {slots}",
                    lambda how, slots=slots, goal=goal: cuts.update(
                        micropython, bench, slots, goal, how, _UPDATE
                    ),
                )
    rows += _rows("log, with a turn of its ring", lambda how: cuts.log(micropython, how, _LOG))
    rows += _rows(
        "configuration, counters of the seal", lambda how: cuts.settings(micropython, how, _SMALL)
    )
    for what, words in (("hours", "burning hours"), ("energy", "energy total")):
        rows += _rows(words, lambda how, what=what: cuts.counters(micropython, what, how, _SMALL))
    total = sum(row.value for row in rows)
    rows.append(Row("cuts", "all of them", total, "cuts", "none cost light, start or promise"))
    return rows


def _rows(subject: str, sweep: Callable[[str], Swept]) -> list[Row]:
    swept = {how: sweep(how) for how in HOW}
    rows = [
        Row("cuts", f"{subject}: {how}", one.points, "cuts", f"a life has {one.writes} writes")
        for how, one in swept.items()
    ]
    seconds = sum(one.seconds for one in swept.values())
    note = f"{swept['clean'].seconds} clean and {swept['torn'].seconds} torn, in the life after"
    return [*rows, Row("cuts", f"{subject}: second", seconds, "cuts", note)]

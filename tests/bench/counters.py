"""What keeping burning hours and switch-ons costs the flash, and how long it bears that."""

from __future__ import annotations

from pathlib import Path

from simulators.tools import Interpreter
from tests.bench.rows import Row

HOURS_A_YEAR = 4200
"""That a street lamp burns."""
HOURS_A_NIGHT = 12
ENDURANCE = 100_000
"""Erasures that a block of NOR flash bears."""
_BLOCKS = 2  # the pair that littlefs keeps a folder's metadata in
_SAVE_MINUTES = 5
_SCRIPTS = Path(__file__).resolve().parents[1] / "device" / "scripts"


def run() -> list[Row]:
    """Save some thousand times under the real littlefs, and reckon from that."""
    said = Interpreter(64).run(
        _SCRIPTS / "lamp" / "counters_wear.py",
        str(_SCRIPTS / "node"),
        path=[_SCRIPTS / "lamp", Path(__file__).resolve().parents[2]],
        heap="8M",
    )
    programmed, erased, saves = map(int, said.split())
    yearly = HOURS_A_YEAR * 60 / _SAVE_MINUTES
    erasures = yearly * erased / saves
    night = HOURS_A_NIGHT * 60 / _SAVE_MINUTES + 2  # and when it is switched on and off
    note = f"{saves:,} saves under littlefs with 4 KiB blocks"
    return [
        Row("counters", "writes a night of 12 h", night, "", "each five minutes of burning"),
        Row("counters", "bytes programmed by a write", programmed / saves, "B", note),
        Row("counters", "erasures a year", erasures, "", f"{HOURS_A_YEAR:,} burning hours"),
        Row("counters", "years until the flash is worn", _BLOCKS * ENDURANCE / erasures, "years",
            f"{_BLOCKS} blocks of {ENDURANCE:,} erasures"),
    ]  # fmt: skip

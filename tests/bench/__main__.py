"""``python -m tests.bench [measurement ...]``: print figures and keep them in bench-report/."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from rich.console import Console

from tests.bench import rows

MEASUREMENTS = {
    "wire": "bytes of a record on the wire, against JSON and SenML-JSON",
    "bus": "share of line time that carries records, 32 lampposts with a backlog",
    "line": "a bus at its limit: 1 KB frames, 128 idle lampposts, and the CPU time of a poll",
    "multicast": "a release to 64 lampposts of a bus at once, against an upload to one",
    "gateway": "records a second from frames to committed, against raw sqlite3",
    "storage": "commit, read and acknowledge: the buffer, raw sqlite3, ThingsBoard gateway",
    "endtoend": "MQTT to MQTT, rate and loss: this gateway, mosquitto bridge, ThingsBoard gateway",
    "resources": "memory and processor of a gateway with 256 lampposts",
    "waves": "presence waves and group dimming on a bus of 128 lampposts, in line time",
    "heap": "heap of a node after start and at the peak of an update, 32-bit interpreter",
    "counting": "error of the footfall counter on crowds whose number is known",
    "stockholm": "energy saved by presence dimming on Stockholm's path of 34 lamps",
    "cuts": "power cuts that a node is put through, clean, torn, and again while it recovers",
    "lamp": "time from process start to lamp on",
    "counters": "what keeping burning hours costs the flash, and the years it bears that",
    "sun": "the firmware's sunrise, sunset and twilight in single precision, against astral",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the measurements named, or all; returns the exit code."""
    listing = "\n".join(f"  {name:<9} {words}" for name, words in MEASUREMENTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure, print a table and write JSON. Figures are judged by nobody here.",
        epilog=f"measurements (default: all):\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("measurement", nargs="*", choices=[[], *MEASUREMENTS], default=[])
    parser.add_argument("--json", type=Path, default=Path("bench-report/bench.json"))
    given = parser.parse_args(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=120)
    taken: list[rows.Row] = []
    for name in given.measurement or MEASUREMENTS:
        with console.status(f"{name}: {MEASUREMENTS[name]}"):
            # Each is imported when it is run, so that one that cannot load spoils no other.
            taken += importlib.import_module(f"tests.bench.{name}").run()
    rows.print_table(taken, console)
    rows.write(taken, given.json)
    console.print(f"\nwritten to {given.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

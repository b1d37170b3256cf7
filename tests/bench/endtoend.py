"""MQTT to MQTT: this gateway, mosquitto's bridge and ThingsBoard's gateway under the same load.

In front a street of 32, behind the city's broker. The peers pass on one message a reading; ours
asks its lampposts, sealed and over TLS, commits, and passes on batches. Lost is what was
acknowledged in front and never came out behind: in an outage of the city's broker, and when the
gateway is killed in the middle of one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from simulators.tools import ToolError
from tests.bench.peers.ours import over_serial, through_ours
from tests.bench.peers.runs import (
    Outcome,
    serial_through_thingsboard,
    through_bridge,
    through_thingsboard,
)
from tests.bench.rows import Row

ROUNDS = 3
_FAULTS = {"outage": "an outage of the city's broker", "kill": "SIGKILL in an outage"}
Through = Callable[[Path, int, str], Outcome]

# Readings of a rate and of a fault: what takes each a few seconds.
_PARTIES: dict[str, tuple[Through, int, int]] = {
    "this gateway": (through_ours, 60_000, 8_000),
    "mosquitto bridge": (through_bridge, 20_000, 8_000),
    "ThingsBoard gateway, as shipped": (partial(through_thingsboard, tuned=False), 4_000, 0),
    "ThingsBoard gateway, tuned": (partial(through_thingsboard, tuned=True), 4_000, 4_000),
}


def run() -> list[Row]:
    """Measure, the parties taking turns, and give the medians."""
    rows: list[Row] = []
    rates: dict[str, list[Outcome]] = {name: [] for name in _PARTIES}
    missing: dict[str, str] = {}
    for _ in range(ROUNDS):
        for name, (through, readings, _) in _PARTIES.items():
            if name not in missing:
                try:
                    rates[name].append(_once(through, readings, ""))
                except ToolError as why:
                    missing[name] = str(why)
    for name, (through, _, readings) in _PARTIES.items():
        if name in missing:
            rows.append(Row("endtoend", name, 0, "not had", missing[name]))
            continue
        rows.append(Row("endtoend", f"{name}: rate", _rate(rates[name]), "readings/s"))
        memory = sorted(outcome.rss_mb for outcome in rates[name])[ROUNDS // 2]
        rows.append(Row("endtoend", f"{name}: memory", memory, "MB", "resident, at the end"))
        if not readings:
            continue
        for fault, words in _FAULTS.items():
            outcome = _once(through, readings, fault)
            note = f"of {outcome.sent:,} acknowledged in front; {outcome.repeated} repeated"
            rows.append(Row("endtoend", f"{name}: lost, {words}", outcome.lost, "readings", note))
    ours = rates["this gateway"]
    for name, target in (("mosquitto bridge", 1), ("ThingsBoard gateway, tuned", 10)):
        if name not in missing:
            ratio = sorted(a.rate / b.rate for a, b in zip(ours, rates[name], strict=True))[
                ROUNDS // 2
            ]
            note = f"target: at least {target}"
            rows.append(Row("endtoend", f"this gateway / {name}", ratio, "times", note))
    return rows + _serial()


def _serial() -> list[Row]:
    ours = _once(lambda folder, records, _: over_serial(folder, records), 30_000, "")
    rows = [Row("endtoend", "this gateway, serial: rate", ours.rate, "readings/s",
                "a pseudo-terminal: no line to wait for")]  # fmt: skip
    try:
        theirs = _once(lambda folder, lines, _: serial_through_thingsboard(folder, lines), 400, "")
    except ToolError as why:
        return [*rows, Row("endtoend", "ThingsBoard gateway, serial", 0, "not had", str(why))]
    return [
        *rows,
        Row("endtoend", "ThingsBoard gateway, serial: rate", theirs.rate, "readings/s"),
        Row("endtoend", "serial: this gateway / ThingsBoard gateway", ours.rate / theirs.rate,
            "times"),
    ]  # fmt: skip


def _rate(outcomes: list[Outcome]) -> float:
    return sorted(outcome.rate for outcome in outcomes)[len(outcomes) // 2]


def _once(through: Through, readings: int, fault: str) -> Outcome:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        return through(Path(folder), readings, fault)

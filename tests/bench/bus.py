"""Share of line time that carries records: 32 lampposts with a backlog on one bus at 115200 baud.

Everything is the real thing: 32 MicroPython processes with the node firmware, the gateway as a
process on a pty that passes bytes at the line's pace. The lampposts first log for a while with
nobody asking; then the gateway is started, and its buffer (there is no broker to send to) is
looked at while it works through the backlog.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from simulators.demo import settings
from simulators.demo.broker import free_port
from simulators.demo.children import Child, Children
from simulators.demo.commands import installed
from simulators.street import Street, StreetPlan
from tests.bench.rows import Row
from tests.bench.samples import night
from tests.bench.wire import batches, exchange

LAMPPOSTS = 32
BAUD = 115_200
_SPEED = 1000.0  # records of minutes within seconds
_BACKLOG = 120  # records each lamppost has waiting before the gateway comes
_WINDOW_SECONDS = 6.0
_SECONDS = 180.0


@dataclass(frozen=True)
class Look:
    """At one moment: machine seconds, bytes of records committed, seconds the line was driven."""

    time: float
    records: int
    record_bytes: int
    driven: float


def run() -> list[Row]:
    """Measure once; takes about a minute."""
    first, last, waiting = asyncio.run(_measure())
    seconds = last.time - first.time
    carried = (last.record_bytes - first.record_bytes) * 10 / BAUD / seconds
    best = theoretical()
    note = f"{LAMPPOSTS} lampposts, {seconds:.1f} s, {waiting} records still waiting afterwards"
    return [
        Row("bus", "line time that carries record bytes", 100 * carried, "%", note),
        Row("bus", "most possible with these frames", 100 * best, "%",
            "sealed request and reply of 1024 record bytes, no pause between them"),
        Row("bus", "of what is possible", 100 * carried / best, "%"),
        Row("bus", "line driven", 100 * (last.driven - first.driven) / seconds, "%",
            "the rest is turnaround: thinking of lampposts and gateway"),
        Row("bus", "records read", (last.records - first.records) / seconds, "records/s"),
    ]  # fmt: skip


def theoretical() -> float:
    """Share of record bytes in a line that carries full exchanges without any pause, 0..1."""
    batch = batches(night(200))[0]
    request, reply = exchange(1, 0, batch)
    return sum(map(len, batch)) / (len(request) + len(reply))


async def _measure() -> tuple[Look, Look, int]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = StreetPlan(lampposts=LAMPPOSTS, speed=_SPEED)
        async with Street(folder / "street", plan) as street:
            await street.power_on()
            children = Children(folder)
            gateway = _gateway(street, folder, children)
            try:
                async with asyncio.timeout(_SECONDS):
                    await _logged(street, _BACKLOG * LAMPPOSTS)
                    await gateway.start()
                    database = folder / "gateway"
                    # Each lamppost is first asked what it is; the window begins after that.
                    while (first := _look(street, database)).records < 4 * LAMPPOSTS:
                        gateway.check()
                        await asyncio.sleep(0.05)
                    await asyncio.sleep(_WINDOW_SECONDS)
                    last = _look(street, database)
                    waiting = len(street.ledger.records) - last.records
            finally:
                await children.end()
    return first, last, waiting


def _gateway(street: Street, folder: Path, children: Children) -> Child:
    config = folder / "gateway.toml"
    config.touch(mode=0o600)
    sections = [post.provision.gateway_section(settings.BUS) for post in street.lampposts]
    port = street.bus.open_gateway_port()
    config.write_text(
        settings.gateway(folder / "gateway", port, free_port(), street.clock, sections)
    )
    return children.add(
        "gateway", [installed("lamplighter-gateway"), "run", "--config", str(config)]
    )


async def _logged(street: Street, count: int) -> None:
    while len(street.ledger.records) < count:  # noqa: ASYNC110 - the ledger has no event
        await asyncio.sleep(0.2)


def _look(street: Street, folder: Path) -> Look:
    records = size = 0
    for file in folder.glob("*.db"):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as database:
            try:
                records, size = database.execute(
                    "SELECT count(*), coalesce(sum(length(body)), 0) FROM record"
                ).fetchone()
            except sqlite3.OperationalError:
                records = size = 0  # it is only just being made
    return Look(time.monotonic(), records, size, street.bus.utilisation().busy_s)

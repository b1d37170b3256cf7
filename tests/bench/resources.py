"""What a gateway with 256 lampposts takes of the machine: memory and processor.

The gateway is the program as it is run in a cabinet: two buses of 128 at 115200 baud, each lamppost
asked once a second and making a record a minute, and a broker that takes what comes. Memory is
counted after a minute of that, the processor during it. There is no local network.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simulators.bus import Bus
from simulators.demo.children import Children
from tests.bench import on_air
from tests.bench.crowd import Crowd
from tests.bench.peers.brokers import Broker, running
from tests.bench.rows import Row

BAUD = 115_200
_LAMPPOSTS = 128
_EVERY_S = 60.0
_SETTLE_S = 120.0
_MEASURED_S = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")
_MB = 1e6


@dataclass(frozen=True)
class Memory:
    """Of a process, bytes: resident, its share of what it has in common with others, its own."""

    resident: int
    proportional: int
    anonymous: int


@dataclass(frozen=True)
class Taken:
    """Memory at the end; share of a core; seconds between two polls of a lamppost, the mean."""

    memory: Memory
    processor: float
    cycle: float
    threads: int
    open_files: int


def run() -> list[Row]:
    """Measure; takes about three minutes."""
    rows: list[Row] = []
    for air, what in ((False, "two buses of 128"), (True, "and 50 by Bluetooth")):
        taken = asyncio.run(measure(_MEASURED_S, air=air))
        memory = taken.memory
        rows += [
            Row("resources", f"resident memory, {what}", memory.resident / _MB, "MB",
                f"at most 60; {memory.proportional / _MB:.1f} with what it shares counted in parts,"
                f" {memory.anonymous / _MB:.1f} its own alone; {taken.threads} threads,"
                f" {taken.open_files} open files"),
            Row("resources", f"processor, {what}", 100 * taken.processor, "% of a core",
                f"each on a bus asked every {taken.cycle:.2f} s, a record a minute from each"),
        ]  # fmt: skip
    return rows


async def measure(seconds: float, *, air: bool) -> Taken:
    """What it takes once each lamppost has been asked twice and `seconds` have passed.

    air: whether there are lampposts within Bluetooth range too.
    """
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        lines = [Bus(BAUD, exact=True) for _ in range(2)]
        crowds = [
            Crowd(line, number, _LAMPPOSTS, False, 0.0, _EVERY_S)
            for number, line in enumerate(lines)
        ]
        children = Children(folder)
        city = Broker(folder / "city")
        config = folder / "gateway.toml"
        config.touch(mode=0o600)
        written = _configuration(folder, city.port, lines, crowds)
        config.write_text(written + (on_air.sections() if air else ""))
        program = "tests.bench.on_air" if air else "gateway.main"
        gateway = children.add(
            "gateway", [sys.executable, "-m", program, "run", "--config", str(config)]
        )
        with running(city):
            try:
                await gateway.start()
                async with asyncio.timeout(_SETTLE_S):
                    while any(post.polls < 2 for crowd in crowds for post in crowd.posts.values()):
                        gateway.check()
                        await asyncio.sleep(0.05)
                if gateway.pid is None:
                    raise RuntimeError(f"the gateway has ended, see {gateway.log}")
                polls, cpu, began = _polls(crowds), cpu_s(gateway.pid), time.monotonic()
                await asyncio.sleep(seconds)
                took = time.monotonic() - began
                asked = (_polls(crowds) - polls) / len(lines) / _LAMPPOSTS
                process = Path(f"/proc/{gateway.pid}")
                return Taken(
                    memory_of(gateway.pid),
                    (cpu_s(gateway.pid) - cpu) / took,
                    took / max(1, asked),
                    len(list((process / "task").iterdir())),
                    len(list((process / "fd").iterdir())),
                )
            finally:
                await children.end()
                for line in lines:
                    line.close()


def memory_of(pid: int) -> Memory:
    """The memory of process `pid`, as the kernel counts it in smaps_rollup (proc(5))."""
    found: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, amount, _ = line.split()
        found[name] = int(amount) * 1024
    return Memory(found["Rss:"], found["Pss:"], found["Anonymous:"])


def cpu_s(pid: int) -> float:
    """Seconds that process `pid` has computed, user and system."""
    # Fields 14 and 15 of proc_pid_stat(5), counted behind the name in parentheses.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _polls(crowds: Sequence[Crowd]) -> int:
    return sum(crowd.polls for crowd in crowds)


def _configuration(folder: Path, port: int, lines: Sequence[Bus], crowds: Sequence[Crowd]) -> str:
    text = f'[gateway]\nid = "cabinet-1"\ndata_dir = "{folder / "data"}"\n'
    text += f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\nrequire_ingest = false\n'
    for number, (line, crowd) in enumerate(zip(lines, crowds, strict=True)):
        text += f'[bus.b{number}]\nport = "{line.open_gateway_port()}"\nbaud = {BAUD}\n'
        text += "".join(post.section(f"b{number}") for post in crowd.posts.values())
    return text

"""A bus at its limit: how near the gateway comes to what the line itself allows.

The gateway is the program as it is run in a cabinet, with its database and without a broker; the
line passes bytes at 115200 baud through a pty; the lampposts cost nothing. What is left between
the limit and the figure is the gateway's own thinking, and this machine's switching between it and
the simulated line.
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

from simulators.bus import BITS_PER_BYTE, Bus
from simulators.demo.broker import free_port
from simulators.demo.children import Children
from tests.bench.crowd import Crowd
from tests.bench.rows import Row

BAUD = 115_200
_WINDOW_S = 8.0
_SETTLE_S = 120.0
_LATENCY_S = 0.010
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Look:
    """At one moment: machine seconds, polls, bytes of records, bytes on the line, CPU seconds."""

    time: float
    polls: int
    record_bytes: int
    line_bytes: int
    cpu: float


@dataclass(frozen=True)
class Taken:
    """What a window showed.

    Attributes:
        seconds: its length.
        polls: answered in it, on all buses.
        record_bytes: bytes of records that came.
        driven: share of the time that the lines were driven, 0..1, in the mean.
        cpu: seconds the gateway computed.
        exchange_bytes: on the line, for a request and its reply.
    """

    seconds: float
    polls: int
    record_bytes: int
    driven: float
    cpu: float
    exchange_bytes: int

    def line_seconds(self, latency: float = 0.0) -> float:
        """Line time of one exchange without any pause but the lamppost's own."""
        return self.exchange_bytes * BITS_PER_BYTE / BAUD + latency


def run() -> list[Row]:
    """Measure; takes about a minute."""
    full = asyncio.run(_measure(buses=1, count=16, backlog=True, latency=0.0))
    late = asyncio.run(_measure(buses=1, count=16, backlog=True, latency=_LATENCY_S))
    idle = asyncio.run(_measure(buses=1, count=128, backlog=False, latency=0.0))
    two = asyncio.run(_measure(buses=2, count=128, backlog=False, latency=0.0))
    return [
        *_use(full, 0.0, "no answer latency"),
        *_use(late, _LATENCY_S, f"lampposts think for {_LATENCY_S * 1000:.0f} ms"),
        *_cycle(idle),
        Row("line", "CPU time of a poll, two buses of 128", 1000 * two.cpu / two.polls, "ms",
            f"{two.polls / two.seconds:.0f} polls/s on both, {100 * two.cpu / two.seconds:.0f} % of"
            " a core with the lines as full as they get"),
        Row("line", "  CPU time of 256 lampposts, a poll a second each",
            100 * 256 * two.cpu / two.polls, "% of a core"),
    ]  # fmt: skip


def _use(taken: Taken, latency: float, how: str) -> list[Row]:
    payload = taken.record_bytes / taken.polls
    best = payload * BITS_PER_BYTE / BAUD / taken.line_seconds(latency)
    got = taken.record_bytes * BITS_PER_BYTE / BAUD / taken.seconds
    return [
        Row("line", f"line time that carries records, {how}", 100 * got, "%",
            f"most possible {100 * best:.1f} %: {payload:.0f} record bytes in an exchange of"
            f" {taken.exchange_bytes}; line driven {100 * taken.driven:.1f} %"),
        Row("line", "  of what is possible", 100 * got / best, "%", "at least 90"),
    ]  # fmt: skip


def _cycle(taken: Taken) -> list[Row]:
    limit = 128 * taken.line_seconds()
    cycle = 128 * taken.seconds / taken.polls
    return [
        Row("line", "poll of 128 idle lampposts", cycle, "s",
            f"limit {limit:.3f} s: {taken.exchange_bytes} bytes on the line for request and reply"),
        Row("line", "  times the line's limit", cycle / limit, "ratio", "at most 1.2"),
    ]  # fmt: skip


async def _measure(*, buses: int, count: int, backlog: bool, latency: float) -> Taken:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        lines = [Bus(BAUD, exact=True) for _ in range(buses)]
        crowds = [Crowd(line, number, count, backlog, latency) for number, line in enumerate(lines)]
        children = Children(folder)
        config = folder / "gateway.toml"
        config.touch(mode=0o600)
        config.write_text(_configuration(folder, lines, crowds))
        gateway = children.add(
            "gateway", [sys.executable, "-m", "gateway.main", "run", "--config", str(config)]
        )
        try:
            await gateway.start()
            async with asyncio.timeout(_SETTLE_S):
                while any(post.polls < 2 for crowd in crowds for post in crowd.posts.values()):
                    gateway.check()
                    await asyncio.sleep(0.05)
            first = _look(lines, crowds, gateway.pid)
            await asyncio.sleep(_WINDOW_S)
            last = _look(lines, crowds, gateway.pid)
        finally:
            await children.end()
            for line in lines:
                line.close()
    seconds = last.time - first.time
    carried = (last.line_bytes - first.line_bytes) * BITS_PER_BYTE / BAUD
    return Taken(
        seconds,
        last.polls - first.polls,
        last.record_bytes - first.record_bytes,
        carried / seconds / buses,
        last.cpu - first.cpu,
        crowds[0].request_bytes + crowds[0].reply_bytes,
    )


def _configuration(folder: Path, lines: Sequence[Bus], crowds: Sequence[Crowd]) -> str:
    text = f'[gateway]\nid = "cabinet-1"\ndata_dir = "{folder / "data"}"\n'
    text += f'[mqtt]\nhost = "127.0.0.1"\nport = {free_port()}\n'
    text += "[presence]\nenabled = false\n"
    for number, (line, crowd) in enumerate(zip(lines, crowds, strict=True)):
        # Free addresses are not asked meanwhile: that takes up to a twentieth of the line.
        text += (
            f'[bus.b{number}]\nport = "{line.open_gateway_port()}"\nbaud = {BAUD}\n'
            "idle_poll_ms = 10\ndiscover = false\n"
        )
        text += "".join(post.section(f"b{number}") for post in crowd.posts.values())
    return text


def _look(lines: Sequence[Bus], crowds: Sequence[Crowd], pid: int | None) -> Look:
    # Fields 14 and 15 of proc_pid_stat(5), counted behind the name in parentheses.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Look(
        time.monotonic(),
        sum(crowd.polls for crowd in crowds),
        sum(crowd.record_bytes for crowd in crowds),
        sum(line.utilisation().bytes for line in lines),
        (int(fields[11]) + int(fields[12])) / _TICKS,
    )

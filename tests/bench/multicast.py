"""A release to 64 lampposts of a bus by multicast, against the same release uploaded to one.

The gateway's own parts on a simulated line at 115200 baud, which takes its time; the lampposts are
scripted ones that answer 5 ms after they were asked and write nothing to any flash. Line time is
what the wires were driven for, whoever drove them: a poll or a command can have the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.lampposts import management
from gateway.logs import get
from gateway.updates.figures import Figures
from gateway.updates.members import Outcome
from gateway.updates.multicast import Multicasts
from tests.bench.rows import Row
from tests.integration.gateway.images import make_image
from tests.integration.gateway.wired import Wired, wired

LAMPPOSTS = 64
BYTES = 130_000  # a little less than a release of today
GATHER_S = 0.05
_NOISE = 1e-5


@dataclass(frozen=True)
class Cost:
    """Seconds it took, and seconds that the line was driven."""

    seconds: float
    line: float


def run() -> list[Row]:
    """Measure once; takes about a minute."""
    one = asyncio.run(_measured(1, _upload))
    two = asyncio.run(_measured(2, _multicast, shared=True))
    many = asyncio.run(_measured(LAMPPOSTS, _multicast, shared=True))
    told = asyncio.run(_measured(LAMPPOSTS, _multicast))
    noisy = asyncio.run(_measured(LAMPPOSTS, _multicast, _NOISE, shared=True))
    what = f"{BYTES:,} bytes, {LAMPPOSTS} lampposts"
    against = "target: at most 1.2"
    return [
        Row("multicast", "upload to one", one.seconds, "s", f"line driven {one.line:.1f} s"),
        Row("multicast", "multicast to two", two.seconds, "s", f"line driven {two.line:.1f} s"),
        Row("multicast", f"multicast to {LAMPPOSTS}", many.seconds, "s",
            f"told under a shared key; line driven {many.line:.1f} s"),
        Row("multicast", f"multicast to {LAMPPOSTS}, told one by one", told.seconds, "s",
            f"line driven {told.line:.1f} s"),
        Row("multicast", f"multicast to {LAMPPOSTS}, noise {_NOISE:g}", noisy.seconds, "s",
            f"line driven {noisy.line:.1f} s"),
        Row("multicast", f"{LAMPPOSTS} / one, time", many.seconds / one.seconds, "ratio", against),
        Row("multicast", f"{LAMPPOSTS} / one, line time", many.line / one.line, "ratio", against),
        Row("multicast", f"{LAMPPOSTS} / one, line time, told one by one", told.line / one.line,
            "ratio", against),
        Row("multicast", f"{LAMPPOSTS} / two, line time", many.line / two.line, "ratio",
            f"{what}; what each further lamppost costs"),
    ]  # fmt: skip


async def _measured(
    count: int,
    work: Callable[[Wired, bytes], Awaitable[None]],
    noise: float = 0.0,
    *,
    shared: bool = False,
) -> Cost:
    image = make_image(BYTES)
    async with wired(count, noise=noise, thinks_s=0.005) as town:
        # The first request of each finds out where its counters are.
        for lamppost in town.lampposts:
            await management.status(lamppost)
        if shared:
            await town.share_a_key()
        began, driven = time.monotonic(), town.bus.utilisation().busy_s
        await work(town, image)
        cost = Cost(time.monotonic() - began, town.bus.utilisation().busy_s - driven)
        if not all(node.slots[1] and node.slots[1].hash == image[-32:] for node in town.nodes):
            raise AssertionError("not every lamppost has it")
    return cost


async def _upload(town: Wired, image: bytes) -> None:
    await management.Upload(town.lampposts[0], image).run(lambda: None)


async def _multicast(town: Wired, image: bytes) -> None:
    multicasts = Multicasts(town.voice, asyncio.Semaphore(1), GATHER_S, Figures(), get())

    async def load() -> bytes:
        return image

    outcomes = await asyncio.gather(
        *(
            multicasts.receive(lamppost, "file", load, True, lambda share: None)
            for lamppost in town.lampposts
        )
    )
    if set(outcomes) != {Outcome.COMPLETE}:
        raise AssertionError(f"ended with {outcomes}")

"""A gateway under load, with everything around it failing in turn, does not grow."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from protocol import configuration
from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import Street, eventually, street
from tests.integration.gateway.proxy import Proxy

LAMPPOSTS = 8
PAUSE_S = 0.3
SOAK_S = float(os.environ.get("LAMPLIGHTER_SOAK_S", "1200"))
# Of the measured time; until then caches fill, pools of threads too.
WARM_UP = 0.3


@dataclass(frozen=True)
class Held:
    """What the gateway holds while nothing is under way."""

    tasks: int
    threads: int
    traced: int
    files: int
    resident: int


class Port:
    """The serial port under a name that stays; what is behind it can be pulled."""

    def __init__(self, name: Path, nodes: list[FakeNode], stack: ExitStack) -> None:
        self._name = name
        self._nodes = nodes
        self._stack = stack
        self.bus: FakeBus | None = None

    def plug(self) -> FakeBus:
        if self.bus is not None:
            self.bus.hang_up()
        self.bus = self._stack.enter_context(FakeBus(self._nodes))
        self._name.unlink(missing_ok=True)
        self._name.symlink_to(self.bus.path)
        return self.bus


def said(counts: Path) -> dict[str, int]:
    """What the gateway has written; see `counted`."""
    return json.loads(counts.read_text()) if counts.exists() else {"number": 0}


async def held(town: Street, counts: Path) -> Held:
    """Once all is in the city and nothing waits."""
    nodes = list(town.bus.nodes.values())
    await eventually(lambda: town.city.has_all_of(town.bus), "all records in the city")
    await eventually(lambda: not any(node.log for node in nodes), "acknowledged")
    await eventually(lambda: not town.gateway.buffered(), "the buffer drained")
    before = said(counts)["number"]
    os.kill(town.gateway.pid, signal.SIGUSR1)
    await eventually(lambda: said(counts)["number"] > before, "counted")
    now = said(counts)
    process = Path(f"/proc/{town.gateway.pid}")
    resident = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    files = len(list((process / "fd").iterdir()))
    return Held(now["tasks"], now["threads"], now["traced"], files, resident)


async def settled(town: Street, counts: Path, before: Held | None = None) -> Held:
    """The least of a few looks: whatever is under way for a moment is not held.

    A busy machine takes longer over it: where there is a state `before`, more looks are taken
    until no more tasks and files than then are left, or it is clear that they stay.
    """
    looks: list[Held] = []
    for number in range(100):
        looks.append(await held(town, counts))
        if number >= 2 and (
            before is None or (looks[-1].tasks <= before.tasks and looks[-1].files <= before.files)
        ):
            break
        await asyncio.sleep(0.2)
    return Held(
        min(look.tasks for look in looks),
        min(look.threads for look in looks),
        min(look.traced for look in looks),
        min(look.files for look in looks),
        min(look.resident for look in looks),
    )


async def load(town: Street, port: Port, proxy: Proxy, seconds: float, turn: int) -> int:
    """Records all the time, and each PAUSE_S something else happens; gives the next turn."""
    nodes = list(town.bus.nodes.values())
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for node in nodes:
            node.append(5)
        what = turn % 4
        if what == 0:
            node = nodes[turn // 4 % len(nodes)]
            values = {"lamp/default_level": turn // 4 % 100}
            digest = configuration.digest(values).hex()
            wish = {"version": turn + 1, "digest": digest, "values": values}
            await town.city.want(node.hex, "desired/configuration", wish)
            await eventually(lambda wanted=node, version=turn + 1: wanted.version == version, "set")
        elif what == 1:
            for node in nodes:
                node.silent = True
            await asyncio.sleep(PAUSE_S)
            for node in nodes:
                node.silent = False
        elif what == 2:
            proxy.cut()
        else:
            before = nodes[0].polls
            port.plug()
            await eventually(lambda polls=before: nodes[0].polls > polls, "polled again")
        turn += 1
        await asyncio.sleep(PAUSE_S)
        if port.bus is not None:
            port.bus.requests.clear()
            port.bus.frames.clear()
    return turn


@pytest.mark.parametrize(
    "seconds", [4, pytest.param(SOAK_S, marks=[pytest.mark.soak, pytest.mark.timeout(0)])]
)
async def test_nothing_grows(tmp_path: Path, seconds: float) -> None:
    nodes = [FakeNode(address) for address in range(1, LAMPPOSTS + 1)]
    name, counts = tmp_path / "port", tmp_path / "counts.json"
    with ExitStack() as stack:
        port = Port(name, nodes, stack)
        port.plug()
        quiet = FakeBus(nodes)  # what the configuration is written from
        quiet.path = str(name)
        async with street(tmp_path, quiet) as town, Proxy(town.broker.port) as proxy:
            town.gateway.write_config()
            file = town.gateway.config
            told = file.read_text().replace(f"port = {town.broker.port}", f"port = {proxy.port}")
            file.write_text(told.replace('level = "debug"', 'level = "error"'))
            town.gateway.program = ["tests.integration.gateway.counted", str(counts)]
            await town.gateway.start()
            turn = await load(town, port, proxy, seconds * WARM_UP, 0)
            warm = await settled(town, counts)
            await load(town, port, proxy, seconds * (1 - WARM_UP), turn)
            last = await settled(town, counts, warm)
    print(f"\nwarm {warm}\nlast {last}")
    assert last.tasks <= warm.tasks
    assert last.files <= warm.files
    # A pool may still fill: asyncio's has so many at most.
    assert last.threads <= warm.threads + min(32, (os.cpu_count() or 1) + 4)
    assert last.traced < warm.traced + 600_000
    assert last.resident < warm.resident + 6_000_000

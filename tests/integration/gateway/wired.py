"""The gateway's parts for one bus in this process, scripted lampposts on a line that takes time.

Without broker, database and polling: what an update costs the line can be seen alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from gateway.buffer.state import State
from gateway.bus.channel import BusChannel
from gateway.bus.port import Port
from gateway.bus.transaction import Line
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.route import Route
from gateway.lampposts.session import Session
from gateway.lampposts.turns import Turns
from gateway.logs import get
from gateway.updates.voice import Voice
from protocol import busframe
from simulators.bus import Bus
from tests.integration.gateway.fake_node import KEY_ID, FakeNode, Ignore


class Counters(State):
    """Sealing counters without a disk."""

    def __init__(self) -> None:
        self._next: dict[bytes, int] = {}

    async def reserve_counters(self, node: bytes, at_least: int, block: int) -> tuple[int, int]:
        first = max(at_least, self._next.get(node, 0))
        self._next[node] = first + block
        return first, first + block


class OnLine:
    """Puts `node` on `bus`. thinks_s: from the end of a request to the beginning of its answer.

    Attributes:
        deaf: whether nothing of what is on the line reaches it.
    """

    def __init__(self, bus: Bus, node: FakeNode, thinks_s: float) -> None:
        self.node = node
        self.deaf = False
        self._thinks_s = thinks_s
        self._deframer = busframe.Deframer()
        self._port = bus.join(self._heard)

    def _heard(self, data: bytes) -> None:
        if self.deaf:
            return
        for address, control, sequence, payload in self._deframer.feed(data):
            with contextlib.suppress(Ignore):
                if control == busframe.BROADCAST:
                    self.node.broadcast(payload)
                elif (address, control) == (self.node.address, busframe.REQUEST):
                    reply = self.node.answer(payload)
                    if reply is not None:
                        frame = busframe.encode(address, busframe.RESPONSE, sequence, reply)
                        asyncio.get_running_loop().call_later(
                            self._thinks_s, self._port.transmit, frame
                        )


class Wired:
    """See the module.

    Attributes:
        bus: the line. nodes: on it. on_line: their ends, in the same order. lampposts: as the
            gateway has them, "up". voice: speaks to all.
    """

    def __init__(self, bus: Bus, nodes: Sequence[FakeNode], thinks_s: float) -> None:
        self.bus = bus
        self.nodes = list(nodes)
        self.on_line = [OnLine(bus, node, thinks_s) for node in nodes]
        port = Port(Path(bus.open_gateway_port()), bus.baud, False, get())
        line, turns, state = Line(port, 0.25), Turns(), Counters()
        self.port = port
        self.line = line
        self.turns = turns
        self.voice = Voice(line, turns, bus.baud)
        self.lampposts = [
            Lamppost(
                node.id,
                f"post {node.address}",
                Session(
                    node.id,
                    node.key,
                    KEY_ID,
                    Route([BusChannel(node.address, line, turns, 3)]),
                    state,
                    get(),
                ),
                get(lamppost=node.hex),
                "bus0",
                node.address,
            )
            for node in nodes
        ]
        for lamppost in self.lampposts:
            lamppost.heard(0)


@contextlib.asynccontextmanager
async def wired(
    count: int, baud: int = 115_200, noise: float = 0.0, thinks_s: float = 0.002, seed: int = 0
) -> AsyncGenerator[Wired]:
    """`count` lampposts on a line with a bit error rate of `noise`."""
    bus = Bus(baud, noise, seed)
    made = Wired(bus, [FakeNode(address) for address in range(1, count + 1)], thinks_s)
    running = asyncio.create_task(made.port.run())
    try:
        await made.port.opened.wait()
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        bus.close()

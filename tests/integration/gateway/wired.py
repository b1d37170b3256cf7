"""The gateway's parts for one bus in this process, scripted lampposts on a line that takes time.

Without broker, database and polling: what an update costs the line can be seen alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from gateway.buffer.state import State
from gateway.bus.channel import BusChannel
from gateway.bus.port import Port
from gateway.bus.transaction import Line
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.route import Route
from gateway.lampposts.session import Session
from gateway.lampposts.turns import Traffic, Turns
from gateway.logs import get
from gateway.updates.voice import Voice
from protocol import busframe, envelope, keyring, messages, smp
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


class EverybodysKey:
    """A key that all lampposts of a line have."""

    KEY_ID, KEY = envelope.FIRST_GROUP_KEY, bytes(range(16))

    def __init__(self) -> None:
        self.sealed = 0

    def has(self, lamppost: Lamppost) -> bool:
        return True

    async def seal(self, message: bytes) -> bytes:
        self.sealed += 1
        data = envelope.seal(
            self.KEY, self.KEY_ID, envelope.BROADCAST_ID, envelope.TO_NODE, self.sealed, message
        )
        return smp.pack(smp.OP_WRITE, smp.GROUP_STREET, 0, messages.SEALED, messages.sealed(data))

    async def install(self, lamppost: Lamppost) -> None:
        """Give it to `lamppost`."""
        request = keyring.install_request(self.KEY_ID, self.KEY)
        message = smp.pack(smp.OP_WRITE, smp.GROUP_STREET, 0, messages.KEYS, request)
        await lamppost.session.ask(message, Traffic.TRANSFER, patience_s=2)


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


class GatewaySide:
    """What a gateway has on `bus`: a port, turns on the line, lampposts.

    lampposts: node id, key, key id and address of each; all count as up.
    """

    def __init__(self, bus: Bus, lampposts: Iterable[tuple[bytes, bytes, int, int]]) -> None:
        self.bus = bus
        self.port = Port(Path(bus.open_gateway_port()), bus.baud, False, get())
        self.line, self.turns = Line(self.port, 0.25), Turns()
        self.voice = Voice(self.line, self.turns, bus.baud)
        self.key = EverybodysKey()
        state = Counters()
        self.lampposts: list[Lamppost] = []
        for node, key, key_id, address in lampposts:
            route = Route([BusChannel(address, self.line, self.turns, 3)])
            session = Session(node, key, key_id, route, state, get())
            lamppost = Lamppost(node, f"post {address}", session, get(), "bus0", address)
            lamppost.heard(0)
            self.lampposts.append(lamppost)

    async def share_a_key(self) -> None:
        """Give all lampposts a key, under which `voice` then speaks."""
        for lamppost in self.lampposts:
            await self.key.install(lamppost)
        self.voice = replace(self.voice, key=self.key)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """With the port open."""
        task = asyncio.create_task(self.port.run())
        try:
            await self.port.opened.wait()
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Wired(GatewaySide):
    """With scripted `nodes` on the bus; `on_line` are their ends, in the same order."""

    def __init__(self, bus: Bus, nodes: Sequence[FakeNode], thinks_s: float) -> None:
        super().__init__(bus, [(node.id, node.key, KEY_ID, node.address) for node in nodes])
        self.nodes = list(nodes)
        self.on_line = [OnLine(bus, node, thinks_s) for node in nodes]


@contextlib.asynccontextmanager
async def wired(
    count: int, baud: int = 115_200, noise: float = 0.0, thinks_s: float = 0.002, seed: int = 0
) -> AsyncGenerator[Wired]:
    """`count` lampposts on a line with a bit error rate of `noise`."""
    bus = Bus(baud, noise, seed)
    made = Wired(bus, [FakeNode(address) for address in range(1, count + 1)], thinks_s)
    async with made.running():
        yield made
    bus.close()

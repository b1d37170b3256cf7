"""An adapter that is pulled at any moment, and comes back by another name: no record is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from protocol import busframe, messages, smp
from tests.integration.gateway.fake_node import FakeBus, FakeNode, Ignore
from tests.integration.gateway.harness import Street, eventually, street


class Plug:
    """The link that the system keeps to an adapter; each time it is put in it is another device."""

    def __init__(self, folder: Path, nodes: list[FakeNode]) -> None:
        self.link = folder / "by-id"
        self._nodes = nodes
        self._holder = contextlib.ExitStack()
        self.bus = self._made()

    def _made(self) -> FakeBus:
        bus = FakeBus(self._nodes)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(bus.path)
        bus.path = str(self.link)
        return bus

    def pull(self) -> None:
        """Both ends go, with whatever was on its way, and the link to them."""
        self.link.unlink(missing_ok=True)
        self.bus.hang_up()

    def put_in(self) -> FakeBus:
        """It is there again, as another device."""
        self.bus = self._made()
        self._holder.enter_context(self.bus)
        return self.bus

    def close(self) -> None:
        self._holder.close()


@contextlib.asynccontextmanager
async def plugged(folder: Path, nodes: list[FakeNode]) -> AsyncGenerator[tuple[Street, Plug]]:
    plug = Plug(folder, nodes)
    try:
        async with street(folder, plug.bus) as town:
            yield town, plug
    finally:
        plug.close()


# The request of a poll that is cut in these places, and its reply.
CUTS = ("before the reply", "within the reply", "after the reply")


@pytest.mark.parametrize("cut", CUTS)
async def test_an_adapter_pulled_around_a_reply_loses_nothing(tmp_path: Path, cut: str) -> None:
    nodes = [FakeNode(1), FakeNode(2)]
    for node in nodes:
        node.append(150)
    async with plugged(tmp_path, nodes) as (town, plug):
        pulled = asyncio.Event()

        def on_request(group: int, command: int) -> None:
            if (group, command) != (smp.GROUP_STREET, messages.READINGS) or nodes[0].polls < 3:
                return
            nodes[0].on_request = lambda group, command: None
            if cut == "before the reply":
                plug.pull()
                pulled.set()
                raise Ignore
            if cut == "within the reply":
                plug.bus._write(  # pyright: ignore[reportPrivateUsage]
                    busframe.encode(1, busframe.RESPONSE, 1, b"x" * 900)[:400]
                )
                plug.pull()
                pulled.set()
                raise Ignore
            asyncio.get_running_loop().call_soon(plug.pull)
            asyncio.get_running_loop().call_soon(pulled.set)

        nodes[0].on_request = on_request
        await town.gateway.start()
        await asyncio.wait_for(pulled.wait(), 60)
        plug.put_in()
        await eventually(lambda: town.city.has_all_of(plug.bus), "all records in the city")
        assert town.city.conflicts == []
        assert town.city.repeats == 0


@pytest.mark.soak
async def test_a_lamppost_is_silent_only_while_the_adapter_is_out(tmp_path: Path) -> None:
    node = FakeNode(1)
    async with plugged(tmp_path, [node]) as (town, plug):
        await town.gateway.start()

        def state() -> str | None:
            return town.city.reported.get(node.hex, {}).get("link", {}).get("state")

        await eventually(lambda: state() == "up", "up")
        plug.pull()
        await eventually(lambda: state() == "silent", "silent without its adapter")
        plug.put_in()
        await eventually(lambda: state() == "up", "up with it")
        assert town.gateway.said("serial port unavailable")


@pytest.mark.soak
async def test_an_adapter_pulled_a_hundred_times_at_random_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(17)
    nodes = [FakeNode(address) for address in range(1, 9)]
    async with plugged(tmp_path, nodes) as (town, plug):
        await town.gateway.start()
        for _ in range(100):
            for node in nodes:
                node.append(chance.randrange(200))
            await asyncio.sleep(chance.expovariate(3))
            plug.pull()
            await asyncio.sleep(chance.choice((0.0, 0.05, 1.0)))
            plug.put_in()
        await eventually(lambda: town.city.has_all_of(plug.bus), "all records in the city")
        assert town.city.conflicts == []
        assert town.city.repeats == 0

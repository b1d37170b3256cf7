"""Kill -9 at random instants under load: the city has the lampposts' ledger, key by key."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import aiomqtt
import pytest

from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import GATEWAY, Street, eventually, street
from tests.integration.gateway.nursery import ForkedGateway, nursery

OUTLET = '[outlet.home]\nkind = "home-assistant"\nhost = "127.0.0.1"\nport = {port}\n'
# After the start, or after the first word on a bus: where it is killed at the latest.
SOON_S, LATE_S = 0.4, 0.5
MOST_WAITING = 400


class Load:
    """What goes on all the time: records, restarts of lampposts, commands to all of them."""

    def __init__(self, town: Street, chance: random.Random) -> None:
        self._town = town
        self._chance = chance
        self.nodes = [node for bus in town.buses.values() for node in bus.nodes.values()]

    async def run(self) -> None:
        while True:
            for node in self._chance.sample(self.nodes, 3):
                # More than can be fetched between two kills would only pile up.
                if len(node.log) < MOST_WAITING:
                    node.append(self._chance.choice((1, 1, 2, 40)))
            if self._chance.random() < 0.02:
                self._chance.choice(self.nodes).reboot()
            if self._chance.random() < 0.1:
                await self._command()
            await asyncio.sleep(0.01)

    async def _command(self) -> None:
        if not self._town.city.listening.is_set():
            return
        group = self._chance.choice(("all", "1", "2"))
        wanted = {"command": "lamp", "level": 70, "seconds": 60, "expires": int(time.time()) + 60}
        with contextlib.suppress(aiomqtt.MqttError):  # the broker may go at this moment
            await self._town.city.publish(
                f"{GATEWAY}/group/{group}/command", json.dumps(wanted), retain=False
            )


@contextlib.asynccontextmanager
async def under_load(folder: Path) -> AsyncGenerator[tuple[Street, random.Random]]:
    """Two buses, the city, a second outlet and commands; at the end the ledger is compared."""
    seed = secrets.randbelow(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    buses = [FakeBus([FakeNode(address) for address in places]) for places in ((1, 2, 3), (4, 5))]
    async with nursery() as born, street(folder, *buses) as town:
        gateway = ForkedGateway(folder, town.buses, town.broker.port)
        gateway.adopt(born)
        town.gateway = gateway
        gateway.write_config()
        with gateway.config.open("a") as file:
            file.write(OUTLET.format(port=town.broker.port))
        load = asyncio.create_task(Load(town, chance).run())
        try:
            # At work before anybody kills it, however busy the machine is.
            await gateway.start()
            await eventually(lambda: town.city.records, "collected")
            await gateway.kill()
            yield town, chance
        finally:
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
        await gateway.start()
        await ledger_holds(town)


async def killed(town: Street, chance: random.Random) -> None:
    """Start, and kill at an instant that nobody chose."""
    gateway = town.gateway
    assert isinstance(gateway, ForkedGateway)
    seen = asked(town)
    await gateway.start()
    if chance.random() < 0.25:
        await asyncio.sleep(chance.uniform(0, SOON_S))
    else:
        await eventually(lambda: asked(town) > seen, "collects")
        await asyncio.sleep(chance.uniform(0, LATE_S))
    assert gateway.alive, "it was to be killed, and ended by itself"
    await gateway.kill()


def asked(town: Street) -> int:
    return sum(len(bus.requests) for bus in town.buses.values())


async def ledger_holds(town: Street) -> None:
    """Nothing lost, nothing altered, nothing made up; what came twice came by the same key."""
    nodes = [node for bus in town.buses.values() for node in bus.nodes.values()]
    await eventually(lambda: not any(node.log for node in nodes), "given to the gateway")
    await eventually(lambda: not town.gateway.buffered(), "given to the city")
    await eventually(lambda: all(map(town.city.has_all_of, town.buses.values())), "in the city")
    assert town.city.records == {
        (node.id, *key): body for node in nodes for key, body in node.written.items()
    }
    assert town.city.conflicts == []


async def test_killed_twenty_times_at_random_instants_the_ledger_holds(tmp_path: Path) -> None:
    async with under_load(tmp_path) as (town, chance):
        for _ in range(20):
            await killed(town, chance)


async def troubled(town: Street, chance: random.Random, over: asyncio.Event) -> None:
    """The broker goes away or freezes, again and again.

    It is not killed: what mosquitto has acknowledged and not saved would be lost with it.
    """
    broker = town.broker
    while not over.is_set():
        await asyncio.sleep(chance.uniform(0, 4))
        if chance.random() < 0.5:
            broker.freeze()
            await asyncio.sleep(chance.uniform(0, 2))
            broker.thaw()
        else:
            await broker.stop()
            await asyncio.sleep(chance.uniform(0, 2))
            await broker.start()


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_killed_two_hundred_times_while_the_broker_comes_and_goes_the_ledger_holds(
    tmp_path: Path,
) -> None:
    async with under_load(tmp_path) as (town, chance):
        over = asyncio.Event()
        trouble = asyncio.create_task(troubled(town, chance, over))
        for _ in range(200):
            await killed(town, chance)
        over.set()
        await trouble

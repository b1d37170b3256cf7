"""Outlets at a real broker, heard and spoken to by other people's clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gateway.buffer.database import open_checked
from gateway.buffer.records import Records
from gateway.buffer.rows import Batch, Position
from gateway.buffer.writer import Writer
from gateway.errors import NoReply
from gateway.logs import get
from gateway.outlets.dialect import Dialect, Post
from gateway.outlets.homeassistant import HomeAssistant
from gateway.outlets.outlet import Outlet
from gateway.outlets.sparkplug import Sparkplug
from gateway.outlets.thingsboard import DEVICE_TYPE, ThingsBoard
from tests.integration.gateway.harness import Broker, eventually
from tests.integration.outlets.clients import SPARKPLUG_HOST, THINGSBOARD_GATEWAY, line, run
from tests.unit.gateway.outlets.street import AIR, NODE, POST

SET = f"lamplighter/ha/cabinet-1/{POST.id}/light/set"


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncGenerator[Broker]:
    made = Broker(tmp_path)
    await made.start()
    yield made
    await made.stop()


class Cabinet:
    """The buffer with one outlet, and what that asks of lamps."""

    def __init__(self, folder: Path) -> None:
        self.writer = Writer(open_checked(folder / "gateway.db", get()), lambda why: None)
        self.writer.start()
        self.records = Records(self.writer, folder / "gateway.db", 10**9, ("second",))
        self.posts = [POST]
        self.wishes: list[tuple[bytes, int | None]] = []
        self.refuses = False
        self.seq = 0

    async def command(self, node: bytes, level: int | None) -> None:
        if self.refuses:
            raise NoReply("silent")
        self.wishes.append((node, level))

    async def measure(self, *bodies: bytes) -> None:
        """Records come from the lamppost, and the city takes them at once."""
        start = Position(3, self.seq) if self.seq else Position(0, 0)
        records = [(self.seq + place, body) for place, body in enumerate(bodies)]
        self.seq += len(bodies)
        await self.records.add(Batch(NODE, start, Position(3, self.seq), 3, records))
        await self.records.accept(await self.records.begin(0, None, 10_000))

    async def waiting(self) -> int:
        return len(await self.records.begin_for("second", 10_000))


@asynccontextmanager
async def cabinet(folder: Path) -> AsyncGenerator[Cabinet]:
    made = Cabinet(folder)
    await made.records.load()
    try:
        yield made
    finally:
        made.records.close()
        made.writer.close()


@asynccontextmanager
async def outlet(
    made: Cabinet, port: int, dialect: Callable[[], Dialect]
) -> AsyncGenerator[Outlet]:
    def client(will: aiomqtt.Will) -> aiomqtt.Client:
        return aiomqtt.Client("127.0.0.1", port, identifier="ours", will=will)

    def posts() -> list[Post]:
        return made.posts

    running = Outlet("second", made.records, client, dialect, posts, made.command, get())
    task = asyncio.create_task(running.run())
    try:
        yield running
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def home() -> Dialect:
    return HomeAssistant("cabinet-1", "homeassistant", True)


async def test_what_came_while_it_was_away_is_told_and_the_city_did_not_wait(
    tmp_path: Path, broker: Broker
) -> None:
    async with cabinet(tmp_path) as made, outlet(made, broker.port, home) as running:
        await eventually(lambda: running.connected, "the outlet connects")
        await broker.stop()
        await eventually(lambda: not running.connected, "the outlet notices")
        await made.measure(*[AIR] * 700)
        assert made.records.rows == 0  # nothing is left for the city
        assert await made.waiting() == 700
        await broker.start()
        await eventually(lambda: running.sent == 700, "the backlog is passed on")
        assert await made.waiting() == 0
    async with aiomqtt.Client("127.0.0.1", broker.port) as listener:
        await listener.subscribe("lamplighter/ha/cabinet-1/#")
        retained: dict[str, bytes] = {}
        async with asyncio.timeout(30):
            async for message in listener.messages:
                retained[str(message.topic).rpartition("/")[2]] = bytes(message.payload)
                if {"air", "light", "status"} <= retained.keys():
                    break
    assert json.loads(retained["air"])["pm25"] == 12.3
    # It was stopped in good order, and said so itself.
    assert retained["status"] == b"offline"


async def test_a_tap_reaches_the_lamp_and_an_old_one_does_not(
    tmp_path: Path, broker: Broker
) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as hand:
        await hand.publish(SET, b'{"state": "ON", "brightness": 1}', qos=1, retain=True)
        async with cabinet(tmp_path) as made, outlet(made, broker.port, home) as running:
            await eventually(lambda: running.refused == 1, "the retained command is refused")
            await hand.publish(SET, b'{"state": "ON", "brightness": 45}', qos=1)
            await hand.publish(SET, b"rubbish", qos=1)
            await hand.publish(SET, b'{"state": "OFF"}', qos=1)
            await eventually(lambda: len(made.wishes) == 2, "both wishes arrive")
            assert made.wishes == [(NODE, 45), (NODE, None)]
            assert running.refused == 2


async def test_a_sparkplug_host_understands_all_of_it(tmp_path: Path, broker: Broker) -> None:
    def dialect() -> Dialect:
        return Sparkplug("cabinet-1", "street", None, True)

    host = run("pysparkplug", "pysparkplug==0.6.1", SPARKPLUG_HOST, str(broker.port))
    async with host as process, cabinet(tmp_path) as made:
        assert await line(process) == ["listening"]
        async with outlet(made, broker.port, dialect) as running:
            birth = await line(process)
            assert birth[:4] == ["NBIRTH", "cabinet-1", None, 0]
            born = await line(process)
            assert born[:4] == ["DBIRTH", "cabinet-1", POST.id, 1]
            assert born[4]["lamp level"] == 60
            await made.measure(AIR)
            data = await line(process)
            assert data[:4] == ["DDATA", "cabinet-1", POST.id, 2]
            assert data[4]["air/pm25"] == 12.3
            await eventually(lambda: running.sent == 1, "the record is passed")
            made.posts = [POST._replace(up=False)]
            assert (await line(process))[0] == "DDEATH"
        death = await line(process)
        assert death[0] == "NDEATH"
        assert death[4]["bdSeq"] == birth[4]["bdSeq"]


async def test_thingsboard_is_told_what_its_own_client_would_tell(
    tmp_path: Path, broker: Broker
) -> None:
    def dialect() -> Dialect:
        return ThingsBoard("cabinet-1", True)

    call = {"device": POST.name, "data": {"id": 7, "method": "setLevel", "params": 20}}
    async with aiomqtt.Client("127.0.0.1", broker.port) as server:
        await server.subscribe("v1/gateway/#", qos=1)
        heard: dict[str, list[Any]] = {}

        async def until(count: int) -> dict[str, list[Any]]:
            async with asyncio.timeout(60):
                async for message in server.messages:
                    topic = str(message.topic)
                    said = json.loads(bytes(message.payload))
                    if topic != "v1/gateway/rpc" or "method" not in str(said):
                        heard.setdefault(topic, []).append(said)
                    if sum(map(len, heard.values())) == count:
                        return {topic: heard.pop(topic) for topic in list(heard)}
            raise AssertionError("unreachable")

        async with cabinet(tmp_path) as made, outlet(made, broker.port, dialect) as running:
            await eventually(lambda: running.connections == 1, "the outlet connects")
            await made.measure(AIR)
            await server.publish("v1/gateway/rpc", json.dumps(call), qos=1)
            ours = await until(4)
            made.posts = [POST._replace(up=False)]
            ours.update({"v1/gateway/disconnect": (await until(2))["v1/gateway/disconnect"]})
        assert made.wishes == [(NODE, 20)]
        telemetry = ours["v1/gateway/telemetry"][0][POST.name]
        attributes = ours["v1/gateway/attributes"][0][POST.name]
        theirs = run(
            "tb-mqtt-client", "tb-mqtt-client==1.13.14", THINGSBOARD_GATEWAY, str(broker.port)
        )
        async with theirs as process:
            said = {"name": POST.name, "type": DEVICE_TYPE, "attributes": attributes,
                    "telemetry": telemetry}  # fmt: skip
            assert process.stdin is not None
            process.stdin.write(json.dumps(said).encode())
            process.stdin.write_eof()
            expected = await until(5)
    assert {topic: said[0] for topic, said in ours.items()} == {
        topic: said[0] for topic, said in expected.items()
    }

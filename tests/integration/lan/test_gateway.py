"""The whole gateway with a lamppost on the local network alone: it sets up its broker, collects."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path

import aiomqtt

from gateway.config import load
from gateway.lan import mosquitto as files
from gateway.lan.credentials import password
from protocol import lantopics
from simulators.tools import mosquitto
from tests.integration.gateway.fake_node import KEY_ID, FakeNode
from tests.integration.gateway.harness import Street, eventually, free_port, street


def write_config(made: Street, node: FakeNode) -> None:
    made.gateway.write_config()
    file = made.gateway.config
    file.write_text(
        file.read_text() + f'[lan]\naddress = "127.0.0.1"\nport = {free_port()}\n'
        f"local_port = {free_port()}\nidle_poll_ms = 50\nsilent_poll_max_s = 0.5\n"
        f'[[lamppost]]\nid = "{node.hex}"\nname = "by air"\npole = "HS-12"\nlan = true\n'
        f'key = "{node.key.hex()}"\nkey_id = {KEY_ID}\n'
    )


async def on_the_local_network(node: FakeNode, folder: Path, port: int) -> None:
    """`node` on the local network, with its own credential."""
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    state = lantopics.topic(node.hex, lantopics.STATE)
    async with aiomqtt.Client(
        "127.0.0.1",
        port,
        username=node.hex,
        password=password(node.id, node.key),
        tls_context=context,
        will=aiomqtt.Will(state, lantopics.offline(), 1, True),
    ) as client:
        await client.subscribe(lantopics.topic(node.hex, lantopics.REQUEST))
        await client.publish(state, lantopics.online("1.0.0", node.epoch, 2), 1, True)
        try:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                reply = node.answer(message.payload)
                if reply is not None:
                    await client.publish(lantopics.topic(node.hex, lantopics.REPLY), reply, 1)
        finally:
            await client.publish(state, lantopics.offline(), 1, True)


@contextlib.asynccontextmanager
async def own_broker(folder: Path) -> AsyncGenerator[None]:
    """mosquitto with what the gateway has written, once it has."""
    await eventually((folder / files.PASSWORDS).exists, "the gateway writes its broker's files")
    broker = await asyncio.create_subprocess_exec(
        *mosquitto(), "-c", str(folder / files.CONFIGURATION), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        broker.terminate()
        await broker.wait()


async def test_a_street_without_a_bus_is_collected_through_the_gateways_own_broker(
    tmp_path: Path,
) -> None:
    node = FakeNode(1)
    node.append(40)
    async with contextlib.AsyncExitStack() as stack:
        made = await stack.enter_async_context(street(tmp_path))
        write_config(made, node)
        lan = load(made.gateway.config)[0].lan
        assert lan is not None
        folder = lan.folder_in(made.gateway.data)
        await made.gateway.start()
        await stack.enter_async_context(own_broker(folder))
        await eventually(lambda: made.gateway.said("connected to the local broker"), "connected")
        group = await stack.enter_async_context(asyncio.TaskGroup())
        lamppost = group.create_task(on_the_local_network(node, folder, lan.port))
        await eventually(lambda: len(made.city.records) == 40, "what it had logged")
        node.append(3)
        await eventually(lambda: len(made.city.records) == 43, "what it logs now")
        assert made.city.records == {(node.id, *key): body for key, body in node.written.items()}
        await eventually(lambda: not node.log, "it may forget them")
        reported = made.city.reported[node.hex]
        assert (reported["pole"], reported["name"]) == ("HS-12", "by air")
        assert reported["address"] is None
        assert reported["link"]["state"] == "up"
        while not lamppost.done():
            # Again: before Python 3.12 one that comes with an acknowledgement is lost.
            lamppost.cancel()
            await asyncio.wait({lamppost}, timeout=5)
        await eventually(
            lambda: made.city.reported[node.hex]["link"]["state"] == "silent", "it is gone"
        )
        assert await made.gateway.stop() == 0
        assert not made.city.conflicts

"""The broker the project starts for itself speaks what the project needs of one: MQTT 5."""

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from simulators.tools import mosquitto


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """The loopback port of a fresh broker."""
    number = free_port()
    configuration = tmp_path / "mosquitto.conf"
    lines = [f"listener {number} 127.0.0.1", "allow_anonymous true"]
    if os.geteuid() == 0:
        lines.append("user root")
    configuration.write_text("\n".join([*lines, ""]))
    broker = await asyncio.create_subprocess_exec(
        *mosquitto(), "-c", str(configuration), stderr=subprocess.PIPE
    )
    assert broker.stderr is not None
    try:
        async with asyncio.timeout(60):
            async for line in broker.stderr:
                if line.rstrip().endswith(b"running"):
                    break
            else:
                pytest.fail("the broker ended before it was running")
        yield number
    finally:
        if broker.returncode is None:
            broker.terminate()
        await broker.communicate()


async def test_broker_shares_a_subscription_and_keeps_user_properties(port: int) -> None:
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [("schema", "1")]
    received: list[tuple[str, bytes]] = []

    async def ingest(name: str) -> None:
        async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            await client.subscribe("$share/ingest/+/records", qos=1)
            ready.release()
            async for message in client.messages:
                assert message.properties is not None
                assert message.properties.json()["UserProperty"] == [("schema", "1")]
                assert isinstance(message.payload, bytes)
                received.append((name, message.payload))
                if len(received) == 10:
                    done.set()

    ready, done = asyncio.Semaphore(0), asyncio.Event()
    workers = [asyncio.create_task(ingest(name)) for name in ("one", "two")]
    try:
        async with asyncio.timeout(60):
            await ready.acquire()
            await ready.acquire()
            async with aiomqtt.Client(
                "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5
            ) as client:
                for number in range(10):
                    await client.publish(
                        "gateway/records", bytes([number]), qos=1, properties=properties
                    )
            await done.wait()
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    assert sorted(payload[0] for _, payload in received) == list(range(10)), "each exactly once"
    assert {name for name, _ in received} == {"one", "two"}

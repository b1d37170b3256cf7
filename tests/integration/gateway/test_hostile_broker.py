"""What a broker sends: more than can be dealt with, and what is no MQTT."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import aiomqtt
import pytest

from gateway import logs
from gateway.config import MqttSection
from gateway.lan.link import LanLink
from gateway.uplink import client as mqtt
from gateway.uplink.link import Link
from tests.fuzz.harness import clock
from tests.integration.gateway.harness import Broker, eventually

COMMAND = "lamplighter/v1/cabinet-7/group/all/command"


class Nothing:
    """A drain that has nothing to send."""

    async def run(self, client: object) -> None:
        await asyncio.Event().wait()


def uplink(port: int) -> Link:
    settings = MqttSection.model_validate({"host": "127.0.0.1", "port": port})
    return Link("cabinet-7", "1", settings, clock(), cast("Any", Nothing()), logs.get())


@contextlib.asynccontextmanager
async def running(link: Link | LanLink) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(link.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_broker_keeps_what_is_not_yet_dealt_with(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    await broker.start()
    link = uplink(broker.port)
    open_again = asyncio.Event()
    heard: list[bytes] = []

    async def slowly(topic: str, payload: bytes, expiry: int | None) -> None:
        await open_again.wait()
        heard.append(payload[:9])

    link.on_message = slowly
    try:
        async with running(link), aiomqtt.Client("127.0.0.1", broker.port) as city:
            await eventually(lambda: link.connected and link.connections == 1, "connected")
            client = link._client
            assert client is not None
            # Subscribed, when something of it comes back.
            while not len(client.messages):
                await city.publish(COMMAND, b"first", qos=1)
                await asyncio.sleep(0.05)
            for number in range(200):
                await city.publish(COMMAND, b"%09d" % number, qos=1)
            for _ in range(1200):
                await city.publish(COMMAND, b"dropped  " + bytes(10_000), qos=0)
            await city.publish(COMMAND, b"last", qos=1)
            await eventually(lambda: client.passed_over > 0, "something is dropped")
            assert len(client.messages) <= mqtt.RECEIVE_MAXIMUM + mqtt._MOST_WAITING
            assert client._waiting_bytes <= mqtt._MOST_WAITING_BYTES + 20_000
            open_again.set()
            await eventually(lambda: b"last" in heard, "all that was acknowledged to the city")
            numbers = [said for said in heard if said.isdigit()]
            assert numbers == [b"%09d" % number for number in range(200)]
            assert client._waiting_bytes == 0
    finally:
        await broker.stop()


# A packet each, after the connection was accepted.
PACKETS = {
    "a topic that is longer than the packet": b"\x30\x03\x00\x05a",
    "a topic that is not UTF-8": b"\x30\x04\x00\x01\xff\x00",
    "no topic": b"\x32\x05\x00\x00\x00\x01\x00",
    "a topic with a wildcard": b"\x30\x04\x00\x01#\x00",
    "an empty PUBLISH": b"\x30\x00",
    "a PUBACK cut short": b"\x40\x01\x00",
    "a SUBACK nobody waits for": b"\x90\x03\x00\x09\x00",
    "an unknown property": b"\x30\x08\x00\x01a\x03\xee\x01\x02\x03",
    "a length without end": b"\xff\xff\xff\xff\xff\xff",
    "a second CONNACK": b"\x20\x03\x00\x00\x00",
    "a packet only a client sends": b"\x82\x05\x00\x01\x00\x00\x00",
    "a type that is none": b"\xf0\x01\xff",
    "no MQTT": b"HTTP/1.1 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("kind", ["city", "own"])
@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.soak)])
async def test_what_is_no_mqtt_ends_a_connection_and_never_the_gateway(
    kind: str, times: int
) -> None:
    connack = b"\x20\x03\x00\x00\x00" if kind == "city" else b"\x20\x02\x00\x00"
    links: list[Link | LanLink] = []
    gone: dict[int, int] = {}
    serving: set[asyncio.Task[None]] = set()

    async def serve(
        packet: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        port = writer.get_extra_info("sockname")[1]
        serving.add(cast("asyncio.Task[None]", asyncio.current_task()))
        try:
            with contextlib.suppress(ConnectionError):
                await reader.read(4096)
                writer.write(connack + packet)
                await writer.drain()
                await asyncio.sleep(0.1)
            gone[port] += 1
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async with contextlib.AsyncExitStack() as stack:
        tasks: list[asyncio.Task[None]] = []
        for packet in PACKETS.values():
            server = await asyncio.start_server(
                lambda reader, writer, packet=packet: serve(packet, reader, writer), "127.0.0.1", 0
            )
            stack.callback(server.close)
            port = server.sockets[0].getsockname()[1]
            gone[port] = 0
            links.append(
                uplink(port)
                if kind == "city"
                else LanLink(port, "gateway", "secret", [], logs.get())
            )
            tasks.append(await stack.enter_async_context(running(links[-1])))
        await eventually(
            lambda: min(gone.values()) >= times or any(task.done() for task in tasks),
            "each has connected so often",
        )
        await asyncio.sleep(0.2)  # what ends with the connection has ended now
        for task, name in zip(tasks, PACKETS, strict=True):
            assert not task.done(), name
    await asyncio.gather(*serving, return_exceptions=True)

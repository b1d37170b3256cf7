"""Readings are given up only where an ingest stores them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import aiomqtt

from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import GATEWAY, INGEST, City, Street, eventually, street

HELD = 'level=warning event="records held: no ingest has announced itself"'


@contextlib.asynccontextmanager
async def looking_on(town: Street) -> AsyncGenerator[aiomqtt.Client, None]:
    """Somebody who subscribes to the records and stores nothing."""
    async with aiomqtt.Client(
        "127.0.0.1", town.broker.port, protocol=aiomqtt.ProtocolVersion.V5
    ) as client:
        await client.subscribe("lamplighter/v1/+/records", qos=1)
        yield client


@contextlib.asynccontextmanager
async def listening(city: City) -> AsyncGenerator[None, None]:
    listener = asyncio.create_task(city.run())
    try:
        yield
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def test_with_only_somebody_looking_on_records_are_held_until_an_ingest_comes(
    tmp_path: Path,
) -> None:
    bus = FakeBus([FakeNode(1)])
    bus.nodes[1].append(100)
    async with street(tmp_path, bus, listen=False) as town, looking_on(town):
        await town.gateway.start()
        await eventually(lambda: not bus.nodes[1].log, "all records in the buffer")
        await eventually(lambda: town.gateway.said(HELD), "said that they are held")
        assert len(town.gateway.buffered()) == 100
        async with listening(town.city):
            await eventually(lambda: town.city.has_all_of(bus), "all records in the city")
            await eventually(lambda: not town.gateway.buffered(), "buffer drained")
        log = town.gateway.log.read_text()
        assert log.count(HELD) == 1
        assert log.count("no ingest has announced itself: over") == 1


async def test_an_ingest_that_is_removed_no_longer_counts(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    node.append(10)
    async with street(tmp_path, bus) as town, looking_on(town) as client:
        await town.gateway.start()
        await eventually(lambda: town.city.has_all_of(bus), "first records")
        await eventually(lambda: not town.gateway.buffered(), "buffer drained")
        await client.publish(f"lamplighter/v1/ingest/{INGEST}", b"", qos=1, retain=True)
        await eventually(lambda: town.gateway.said("ingest gone"), "its removal")
        node.append(20)
        await eventually(lambda: town.gateway.said(HELD), "held again")
        assert len(town.gateway.buffered()) == 20


async def test_an_ingest_removed_while_the_gateway_was_cut_off_no_longer_counts(
    tmp_path: Path,
) -> None:
    bus = FakeBus([FakeNode(1)])
    async with street(tmp_path, bus) as town, looking_on(town) as client:
        await town.gateway.start()
        await eventually(lambda: town.gateway.said("ingest present"), "present")
        os.kill(town.gateway.pid, signal.SIGSTOP)
        try:
            # Takes the gateway's session and ends it: nothing will be queued for the gateway.
            async with aiomqtt.Client(
                "127.0.0.1",
                town.broker.port,
                identifier=f"lamplighter-{GATEWAY}",
                protocol=aiomqtt.ProtocolVersion.V5,
                clean_start=True,
            ):
                await client.publish(f"lamplighter/v1/ingest/{INGEST}", b"", qos=1, retain=True)
        finally:
            os.kill(town.gateway.pid, signal.SIGCONT)
        bus.nodes[1].append(20)
        await eventually(lambda: town.gateway.said(HELD), "held")
        assert len(town.gateway.buffered()) == 20
        assert not town.gateway.said("ingest gone")


async def test_an_announcement_without_a_subscription_gives_nothing_up(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    bus.nodes[1].append(100)
    async with street(tmp_path, bus, listen=False) as town:
        async with aiomqtt.Client(
            "127.0.0.1", town.broker.port, protocol=aiomqtt.ProtocolVersion.V5
        ) as client:
            await town.city.announce(client)
        await town.gateway.start()
        await eventually(lambda: not bus.nodes[1].log, "all records in the buffer")
        await eventually(lambda: town.gateway.said("it has no subscriber"), "said why")
        assert len(town.gateway.buffered()) == 100


async def test_where_no_ingest_is_required_the_brokers_word_is_enough(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    bus.nodes[1].append(100)
    async with street(tmp_path, bus, listen=False) as town:
        town.gateway.write_config(mqtt="require_ingest = false")
        await town.gateway.start()
        await eventually(lambda: not bus.nodes[1].log, "taken from the lamppost")
        await eventually(lambda: not town.gateway.buffered(), "given to the broker")


async def test_a_second_gateway_on_the_same_data_folder_is_refused(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await eventually(lambda: town.gateway.said("event=started"), "the first runs")
        second = await asyncio.create_subprocess_exec(
            *town.gateway.command, **town.gateway.surroundings,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(second.communicate(), 60)
        assert second.returncode == 1
        assert out == b""
        assert b"Traceback" not in err
        assert err.decode().splitlines()[-1] == (
            f"lamplighter-gateway: {town.gateway.data}: is in use by gateway cabinet-1, process "
            f"{town.gateway.pid}; stop that one, or give this one a data_dir of its own"
        )
        # Kill -9 lets go of it.
        await town.gateway.kill()
        bus.nodes[1].append(10)
        await town.gateway.start()
        await eventually(lambda: town.city.has_all_of(bus), "records through the next one")

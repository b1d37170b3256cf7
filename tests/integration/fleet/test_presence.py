"""Ingest tells the gateways that it is there, so that they may send, and delete what was sent."""

import asyncio
import json
from pathlib import Path

import pytest
from aiomqtt import Client, Message, ProtocolVersion

from fleet_cli import topics
from fleet_cli.ingest.service import Ingest
from fleet_cli.ingest.subscription import SESSION_EXPIRY_S
from fleet_cli.settings import BrokerSettings
from fleet_cli.store import Store
from tests.integration.fleet.conftest import Broker, Lamplighter, until


class Watcher(Client):
    """Somebody who is told of presences, as a gateway is."""

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port, protocol=ProtocolVersion.V5)

    async def next(self) -> Message:
        async with asyncio.timeout(240):
            return await anext(self.messages)


async def test_ingest_that_ended_cleanly_is_still_there_for_as_long_as_its_session(
    lamplighter: Lamplighter, broker: Broker
) -> None:
    code, _, error = await lamplighter("ingest", "--once", "--name", "cellar")
    assert code == 0, error
    async with Watcher(broker.port) as watcher:
        await watcher.subscribe(topics.INGEST, qos=1)
        message = await watcher.next()
        assert str(message.topic) == "lamplighter/v1/ingest/cellar"
        assert message.retain
        assert message.qos == 1
        told = json.loads(bytes(message.payload))
        assert told["ingest"] == "cellar"
        assert told["since"] > 1_700_000_000
        # The broker counts down what is left of it.
        left = message.properties.MessageExpiryInterval  # pyright: ignore
        assert SESSION_EXPIRY_S - 3600 < left <= SESSION_EXPIRY_S


async def test_presence_is_told_only_once_the_session_is_subscribed(
    broker: Broker, tmp_path: Path
) -> None:
    settings = BrokerSettings("127.0.0.1", broker.port)
    with Store(f"sqlite:///{tmp_path}/city.db", create=True) as store:
        ingest = Ingest(settings, store, name="1")
        async with Watcher(broker.port) as watcher:
            await watcher.subscribe(topics.INGEST, qos=1)
            running = asyncio.create_task(ingest.run())
            await watcher.next()
            # Whoever is told may publish at once, and it arrives.
            await watcher.publish("lamplighter/v1/cabinet-7/records", b"junk", qos=1)
            await until(lambda: ingest.counts.rejected == 1)
            ingest.stop()
            await running


async def test_presence_is_renewed_while_connected_and_at_each_connect(
    broker: Broker, tmp_path: Path
) -> None:
    settings = BrokerSettings("127.0.0.1", broker.port)
    with Store(f"sqlite:///{tmp_path}/city.db", create=True) as store:
        ingest = Ingest(settings, store, name="1", announce_every_s=0.1)
        async with Watcher(broker.port) as watcher:
            await watcher.subscribe(topics.INGEST, qos=1)
            running = asyncio.create_task(ingest.run())
            payloads = [bytes((await watcher.next()).payload) for _ in range(3)]
            assert len(set(payloads)) == 1
            ingest.stop()
            await running
        again = Ingest(settings, store, name="1")
        async with Watcher(broker.port) as watcher:
            await watcher.subscribe(topics.INGEST, qos=1)
            assert (await watcher.next()).retain
            running = asyncio.create_task(again.run())
            assert not (await watcher.next()).retain
            again.stop()
            await running


async def test_tail_is_no_ingest(lamplighter: Lamplighter, broker: Broker) -> None:
    code, _, error = await lamplighter("readings", "tail", "--run-for", "1s")
    assert code == 0, error
    async with Watcher(broker.port) as watcher:
        await watcher.subscribe(topics.INGEST, qos=1)
        await watcher.publish("lamplighter/v1/ingest/last", b"x", qos=1)
        assert str((await watcher.next()).topic).endswith("/last")


@pytest.mark.parametrize("name", ["records", "status", "two words", "a/b", "", "ü"])
def test_name_that_would_be_taken_for_a_gateways_topic_is_none(name: str) -> None:
    assert not topics.is_ingest_name(name)
    assert not topics.is_gateway_id("ingest")

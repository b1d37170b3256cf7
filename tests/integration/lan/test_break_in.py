"""More ways in with what was taken out of one lamppost: ids, names, aliases, sessions, shares."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.lan.credentials import password
from protocol import lantopics, smp
from tests.integration.lan.own_broker import NODES, OwnBroker, connected, own_broker, section
from tests.integration.lan.test_own_broker import (
    REQUEST,
    Answering,
    channel,
    heard_by,
    on,
    topic,
)

OURS, OTHER, THIRD = NODES
V5 = aiomqtt.ProtocolVersion.V5
V311 = aiomqtt.ProtocolVersion.V311


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[OwnBroker]:
    async with own_broker(tmp_path) as made:
        yield made


def thief(broker: OwnBroker, identifier: str, **options: Any) -> aiomqtt.Client:
    """A client with the credential of OURS under any client id."""
    # The broker closes some of these without a word, which aiomqtt waits out.
    made = broker.lamppost(OURS, timeout=3, **options)
    made._client._client_id = identifier.encode()
    return made


@pytest.mark.parametrize("version", [V5, V311])
async def test_no_client_id_gets_at_anothers_session_or_pushes_it_out(
    broker: OwnBroker, version: aiomqtt.ProtocolVersion
) -> None:
    async with connected(broker.link()) as link, Answering(broker, OTHER) as post:
        await on(link, OTHER)
        kept: dict[str, Any] = {"clean_start": False} if version is V5 else {"clean_session": False}
        for identifier in (
            OTHER, f"lamplighter-{OTHER}", "gateway", "lamplighter-gateway", "cabinet-7",
            "x" * 1000, "ä" * 200, "+", "#", "a/b", f"{OTHER}\n", "$SYS", "\u202e" + OTHER,
        ):  # fmt: skip
            heard: list[tuple[str, bytes]] = []
            client = thief(broker, identifier, protocol=version, **kept)
            with contextlib.suppress(aiomqtt.MqttError):
                async with client:
                    listening = asyncio.create_task(heard_by(client, heard))
                    assert (await channel(link, OTHER).exchange(REQUEST))[0][6] == 9
                    listening.cancel()
                    await asyncio.gather(listening, return_exceptions=True)
            assert heard == [], identifier[:20]
            assert link.is_on(bytes.fromhex(OTHER)), identifier[:20]
            assert not post.ended(), identifier[:20]
        assert link.connections == 1


async def test_no_other_user_name_goes_with_its_password(broker: OwnBroker) -> None:
    secret = password(section(OURS).node, section(OURS).key.get_secret_value())
    for name in (
        "gateway", OURS.upper(), f"{OURS} ", f"{OURS}\n", "+", "#", "%u", "", OTHER, "ä", "x" * 1000
    ):  # fmt: skip
        client = broker.lamppost(OURS, timeout=3)
        client._client.username_pw_set(name, secret)
        with pytest.raises(aiomqtt.MqttError):
            await client.__aenter__()


async def test_an_alias_a_share_or_a_will_is_no_way_round_the_access_list(
    broker: OwnBroker,
) -> None:
    heard: list[tuple[str, bytes]] = []
    forged = smp.pack(smp.OP_READ_RSP, smp.GROUP_OS, 1, smp.OS_ECHO, {"d": "forged"})
    async with connected(broker.link()) as link, Answering(broker, OTHER) as post:
        await on(link, OTHER)
        for wanted in (topic(OTHER, lantopics.STATE), topic(OTHER, lantopics.REQUEST)):
            async with thief(broker, "x", protocol=V5) as client:
                listening = asyncio.create_task(heard_by(client, heard))
                for pattern in (
                    f"$share/g/{topic(OTHER, lantopics.REQUEST)}", f"$share/g/{lantopics.ROOT}#",
                    f"$share/{OTHER}/+/+/+/+/+/+", f"{lantopics.ROOT}{OURS}/../{OTHER}/smp/req",
                    f"{lantopics.ROOT}+/smp/req", "$SYS/broker/log/N", "$CONTROL/#",
                ):  # fmt: skip
                    await client.subscribe(pattern, qos=1)
                # The alias is made of a topic that is refused, and then stands for it alone.
                with contextlib.suppress(aiomqtt.MqttError):
                    await client.publish(wanted, lantopics.offline(), 1, True, _alias(1))
                    for data in (lantopics.offline(), forged, REQUEST):
                        client._client.publish("", data, 1, True, _alias(1))
                    await client.publish(topic(OURS, lantopics.STATE), b"", 1)
                assert (await channel(link, OTHER).exchange(REQUEST))[0][6] == 9
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
        for subject in (topic(OTHER, lantopics.REPLY), "$SYS/broker/log/N", topic(THIRD, "/state")):
            line = b"Client a0b1c2d3e4f9 disconnected, not authorised."
            client = thief(broker, "x", protocol=V5, will=aiomqtt.Will(subject, line, 1, True))
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aenter__()
                client._client._sock_close()
        assert (await channel(link, OTHER).exchange(REQUEST))[0][6] == 9
        assert link.is_on(bytes.fromhex(OTHER))
        assert not link.is_on(bytes.fromhex(THIRD))
        assert heard == []
        assert all(smp.unpack(request)[4] == {"d": "x"} for request in post.requests)
        assert len(post.requests) == 3, "of the link alone"
        assert (link.turned_away, link.refused) == ({}, 0)


async def test_what_it_retains_on_its_own_topics_is_as_if_it_had_said_it_now(
    broker: OwnBroker,
) -> None:
    """A reply that is kept must not answer a request of tomorrow."""
    async with broker.lamppost(OURS) as client:
        for sequence in range(4):
            kept = smp.pack(smp.OP_READ_RSP, smp.GROUP_OS, sequence, smp.OS_ECHO, {"d": "old"})
            await client.publish(topic(OURS, lantopics.REPLY), kept, qos=1, retain=True)
    async with connected(broker.link()) as link, Answering(broker, OURS):
        await on(link, OURS)
        for _ in range(4):
            reply = (await channel(link, OURS).exchange(REQUEST))[0]
            assert smp.unpack(reply)[4] == {"d": "x"}


def _alias(number: int) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)
    properties.TopicAlias = number
    return properties

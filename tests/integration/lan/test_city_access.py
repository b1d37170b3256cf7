"""The city's broker as the desk's page sets it up: a stolen gateway reaches no other's street."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.lan.credentials import hashed
from gateway.uplink import topics
from gateway.uplink.topics import Topics
from tests.integration.gateway.harness import Broker
from tests.integration.lan.link import REPOSITORY

MINE, THEIRS = "cabinet-7", "cabinet-8"
NODE = "a0b1c2d3e4f5"
USERS = (MINE, THEIRS, "desk", "ingest")


def shown(language: str) -> str:
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    found = re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"one block of {language} on the page"
    return found[0]


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """The gateways' listener, as on the page but for TLS, which is another test's."""
    (tmp_path / "access").write_text(shown("acl"))
    (tmp_path / "passwords").write_text("".join(f"{user}:{hashed(user, user)}\n" for user in USERS))
    for name in ("access", "passwords"):
        (tmp_path / name).chmod(0o600)
    wanted = ("use_username_as_clientid", "allow_anonymous", "password_file", "acl_file")
    lines = [line for line in shown("conf").splitlines() if line.split(" ")[0] in wanted]
    assert len(lines) == len(wanted)
    text = "\n".join(lines).replace("/etc/mosquitto", str(tmp_path)) + "\n"
    made = Broker(tmp_path, text)
    await made.start()
    yield made.port
    await made.stop()


class User:
    """A client that hears all it is let hear."""

    def __init__(self, port: int, name: str, identifier: str | None = None, **options: object):
        self.client = aiomqtt.Client(
            "127.0.0.1", port, username=name, password=name,
            identifier=identifier or f"lamplighter-{name}",
            **options,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip
        self.heard: dict[str, bytes] = {}
        self.all: set[bytes] = set()
        self._news = asyncio.Condition()

    async def __aenter__(self) -> User:
        await self.client.__aenter__()
        await self.client.subscribe("#", qos=1)
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.client.__aexit__(None, None, None)

    @property
    def there(self) -> bool:
        return not self._task.done()

    async def say(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> None:
        await self.client.publish(topic, payload, qos=1, retain=retain)

    async def hears(self, topic: str) -> None:
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(lambda: topic in self.heard)

    async def _listen(self) -> None:
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            async with self._news:
                self.heard[str(message.topic)] = message.payload
                self.all.add(message.payload)
                self._news.notify_all()


def to(gateway: str) -> list[str]:
    """What the city says to a gateway."""
    base = f"lamplighter/v1/{gateway}"
    return [
        f"{base}/lamppost/{NODE}/desired/configuration",
        f"{base}/lamppost/{NODE}/desired/release",
        f"{base}/lamppost/{NODE}/command",
        f"{base}/group/north/command",
    ]


def of(gateway: str) -> list[str]:
    """What a gateway says to the city."""
    own = Topics(gateway)
    return [own.status, own.records, own.reported(NODE)]


async def test_a_gateway_hears_and_says_all_that_is_its_own(port: int) -> None:
    everybody = [topics.release("0" * 64), "lamplighter/v1/releases/metadata/1.root.json"]
    announced = "lamplighter/v1/ingest/city"
    async with User(port, MINE) as gateway, User(port, "desk") as desk, User(port, "ingest") as tap:
        for topic in (*to(MINE), *everybody):
            await desk.say(topic)
            await gateway.hears(topic)
        for topic in of(MINE):
            await gateway.say(topic)
            await desk.hears(topic)
        await tap.hears(f"lamplighter/v1/{MINE}/records")
        await tap.say(announced)
        await gateway.hears(announced)
        for pattern in Topics(MINE).wanted:
            assert any(_matches(pattern, topic) for topic in (*to(MINE), announced)), pattern
        assert set(tap.heard) == {f"lamplighter/v1/{MINE}/records", announced, *everybody}


async def test_a_stolen_gateway_credential_cannot_reach_another_gateways_lampposts(
    port: int,
) -> None:
    async with User(port, THEIRS) as victim, User(port, "desk") as desk:
        for topic in to(THEIRS):
            await desk.say(topic, b"wanted", retain=True)
            await victim.hears(topic)
        everybodys = (
            "lamplighter/v1/ingest/city",
            topics.release("0" * 64),
            "lamplighter/v1/releases/metadata/1.root.json",
        )
        for topic in (*to(THEIRS), *of(THEIRS), *everybodys):
            # mosquitto ends the connection of who publishes what is forbidden.
            with contextlib.suppress(aiomqtt.MqttError):
                async with User(port, MINE) as thief:
                    await thief.say(topic, b"forged", retain=True)
        # With the victim's client id, to get at its session and to push it out.
        async with User(port, MINE, f"lamplighter-{THEIRS}", clean_session=False) as thief:
            await thief.client.subscribe(f"lamplighter/v1/{THEIRS}/#", qos=1)
            await thief.client.subscribe(f"$share/ingest/lamplighter/v1/{THEIRS}/records", qos=1)
            for topic in of(THEIRS):
                await victim.say(topic, b"true")
                await desk.hears(topic)
            await thief.say(Topics(MINE).status)
            await desk.hears(Topics(MINE).status)
            assert victim.there
            assert thief.heard == {}
        # Its last will is no way round.
        will = aiomqtt.Will(Topics(THEIRS).status, b"forged", 1, True)
        thief = User(port, MINE, will=will)
        await thief.client.__aenter__()
        thief.client._client._sock_close()  # pyright: ignore
        await desk.say(to(THEIRS)[0], b"last")
        async with asyncio.timeout(30):
            while victim.heard[to(THEIRS)[0]] != b"last":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert b"forged" not in victim.all | desk.all


async def test_a_stolen_gateway_credential_gets_no_further_by_other_ways(port: int) -> None:
    """Shares, deeper wildcards, topic aliases, client ids, wills to the commands of another."""
    v5: dict[str, Any] = {"protocol": aiomqtt.ProtocolVersion.V5}
    base = f"lamplighter/v1/{THEIRS}"
    async with User(port, THEIRS) as victim, User(port, "desk") as desk:
        for identifier in (f"lamplighter-{THEIRS}", THEIRS, "desk", "ingest", "+", "#", "x" * 1000):
            with contextlib.suppress(aiomqtt.MqttError):
                async with User(port, MINE, identifier, **v5) as thief:
                    for pattern in (
                        "+/+/+/lamppost/+/command", f"{base}/lamppost/+/desired/#",
                        f"$share/g/{base}/#", "$share/ingest/lamplighter/v1/+/records",
                        f"lamplighter/v1/{MINE}/../{THEIRS}/#", "$SYS/#", "$CONTROL/#",
                    ):  # fmt: skip
                        await thief.client.subscribe(pattern, qos=1)
                    for topic in to(THEIRS):
                        await desk.say(topic, b"true")
                    for topic in of(THEIRS):
                        await victim.say(topic, b"true")
                    await desk.say(to(MINE)[2], b"mine")
                    await thief.hears(to(MINE)[2])
                    assert set(thief.heard) == {to(MINE)[2]}
        for topic in (*to(THEIRS), "lamplighter/v1/releases/metadata/timestamp.json"):
            alias = Properties(PacketTypes.PUBLISH)
            alias.TopicAlias = 1
            with contextlib.suppress(aiomqtt.MqttError):
                async with User(port, MINE, **v5) as thief:
                    paho = thief.client._client
                    paho.publish(topic, b"forged", 1, True, alias)
                    paho.publish("", b"forged", 1, True, alias)
                    # By then the connection has been ended, which this call does not notice.
                    await thief.client.publish(Topics(MINE).status, b"x", qos=1, timeout=0.5)
            thief = User(port, MINE, will=aiomqtt.Will(topic, b"forged", 1, True), **v5)
            with contextlib.suppress(aiomqtt.MqttError):
                await thief.client.__aenter__()
                thief.client._client._sock_close()
        await desk.say(to(THEIRS)[0], b"last")
        async with asyncio.timeout(30):
            while victim.heard[to(THEIRS)[0]] != b"last":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert victim.there
        assert b"forged" not in victim.all | desk.all


def _matches(pattern: str, topic: str) -> bool:
    return aiomqtt.Topic(topic).matches(aiomqtt.Wildcard(pattern))

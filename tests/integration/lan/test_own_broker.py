"""The gateway's own broker as it runs: who may say and hear what, and what a change of it does."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from cryptography import x509

from gateway.errors import LinkUnavailable, NoReply
from gateway.lampposts.turns import Traffic
from gateway.lan import mosquitto as files
from gateway.lan.channel import LanChannel
from gateway.lan.link import LanLink
from protocol import lantopics, smp
from tests.integration.gateway.harness import eventually
from tests.integration.lan.own_broker import NODES, OwnBroker, connected, own_broker, section

OURS, OTHER, THIRD = NODES
REQUEST = smp.pack(smp.OP_READ, smp.GROUP_OS, 9, smp.OS_ECHO, {"d": "x"})


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[OwnBroker]:
    async with own_broker(tmp_path) as made:
        yield made


def topic(node: str, kind: str) -> str:
    return lantopics.topic(node, kind)


async def heard_by(client: aiomqtt.Client, heard: list[tuple[str, bytes]]) -> None:
    async for message in client.messages:
        assert isinstance(message.payload, bytes)
        heard.append((str(message.topic), message.payload))


class Answering:
    """A lamppost's client that answers each request, the way that `change` says."""

    def __init__(self, broker: OwnBroker, node: str) -> None:
        self.client = broker.lamppost(node, will=_will(node))
        self.node = node
        self.requests: list[bytes] = []
        self.silent_for = 0
        self.before: list[bytes] = []

    async def __aenter__(self) -> Answering:
        await self.client.__aenter__()
        await self.client.subscribe(topic(self.node, lantopics.REQUEST))
        await self.client.publish(
            topic(self.node, lantopics.STATE), lantopics.online("1.0.0", 1, 2), qos=1, retain=True
        )
        self._task = asyncio.create_task(self._answer())
        return self

    async def __aexit__(self, *failure: object) -> None:
        while not self._task.done():
            # Again and again: before Python 3.12 one that comes with an acknowledgement is lost.
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=0.5)
        # Looked at: it may have ended with the connection.
        await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(aiomqtt.MqttError):
            await self.client.publish(
                topic(self.node, lantopics.STATE), lantopics.offline(), qos=1, retain=True
            )
            await self.client.__aexit__(None, None, None)

    def ended(self) -> bool:
        return self._task.done()

    async def say(self, data: bytes, *, retain: bool = False) -> None:
        await self.client.publish(topic(self.node, lantopics.REPLY), data, qos=1, retain=retain)

    async def _answer(self) -> None:
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            self.requests.append(message.payload)
            if self.silent_for:
                self.silent_for -= 1
                continue
            op, group, sequence, command, body = smp.unpack(message.payload)
            for data in self.before:
                await self.say(data)
            await self.say(smp.pack(op + 1, group, sequence, command, body))


def _will(node: str) -> aiomqtt.Will:
    return aiomqtt.Will(topic(node, lantopics.STATE), lantopics.offline(), 1, True)


def channel(link: LanLink, node: str, timeout_s: float = 30, attempts: int = 2) -> LanChannel:
    return LanChannel(bytes.fromhex(node), link, timeout_s, attempts)


async def on(link: LanLink, node: str, is_on: bool = True) -> None:
    await eventually(lambda: link.is_on(bytes.fromhex(node)) is is_on, f"{node} on: {is_on}")


async def test_a_lamppost_is_asked_and_replies_that_are_none_are_passed_over(
    broker: OwnBroker,
) -> None:
    async with connected(broker.link()) as link, Answering(broker, OURS) as post:
        await on(link, OURS)
        way = channel(link, OURS)
        post.before = [
            smp.pack(smp.OP_READ_RSP, smp.GROUP_OS, 200, smp.OS_ECHO, {"d": "late"}),
            smp.pack(smp.OP_WRITE_RSP, smp.GROUP_OS, 1, smp.OS_ECHO, {"d": "of a write"}),
            b"noise",
        ]
        async with way.turn(Traffic.POLL):
            reply, repeated = await way.exchange(REQUEST)
        assert smp.unpack(reply) == (smp.OP_READ_RSP, smp.GROUP_OS, 9, smp.OS_ECHO, {"d": "x"})
        assert not repeated
        assert (link.passed_over, link.refused) == (2, 1)

        post.before = []
        await post.say(smp.pack(smp.OP_READ_RSP, 0, 2, 0, {"d": "early"}), retain=True)
        post.silent_for = 1
        hasty = channel(link, OURS, timeout_s=0.3)
        reply, repeated = await hasty.exchange(REQUEST)
        assert repeated
        assert post.requests[-1] == post.requests[-2], "the same bytes"
        assert len({request[6] for request in post.requests}) == 1, "each channel counts for itself"
        reply, _ = await hasty.exchange(REQUEST)
        assert post.requests[-1][6] == 2, "a sequence of its own for each request"
        assert reply[6] == 9, "given back under the caller's"


async def test_a_lamppost_that_goes_ends_the_waiting_and_so_does_the_broker(
    broker: OwnBroker,
) -> None:
    async with connected(broker.link()) as link:
        changes: list[bytes] = []
        link.on_state = changes.append
        way = channel(link, OURS)
        assert not way.available
        post = Answering(broker, OURS)
        async with post:
            await on(link, OURS)
            assert way.available
            post.silent_for = 100
            asked = asyncio.create_task(way.exchange(REQUEST))
            await eventually(lambda: post.requests, "asked")
        with pytest.raises(NoReply, match="left the local network"):
            await asked
        assert not way.available
        assert changes == [bytes.fromhex(OURS)] * 2

        async with Answering(broker, OTHER) as post:
            await on(link, OTHER)
            post.silent_for = 100
            asked = asyncio.create_task(channel(link, OTHER).exchange(REQUEST))
            await eventually(lambda: post.requests, "asked")
            broker.kill(stay=True)
            with pytest.raises(LinkUnavailable, match="went away"):
                await asked
            assert not link.is_on(bytes.fromhex(OTHER))
            with pytest.raises(LinkUnavailable, match="not connected"):
                await channel(link, OTHER).exchange(REQUEST)
        broker.held.set()
        await eventually(lambda: link.connections == 2, "connected again")
        assert not link.is_on(bytes.fromhex(OTHER)), "of before the cut nothing is believed"


async def test_a_stolen_lamppost_credential_reads_and_commands_nothing_but_itself(
    broker: OwnBroker,
) -> None:
    """The attacker has one lamppost's password and certificate, and any client."""
    heard: list[tuple[str, bytes]] = []
    async with connected(broker.link()) as link, Answering(broker, OTHER) as post:
        await on(link, OTHER)
        attacker = broker.lamppost(OTHER, user=OURS)  # with another's client id
        async with attacker:
            listening = asyncio.create_task(heard_by(attacker, heard))
            for wanted in (
                "#", "$SYS/#", "+/+/+/+/+/+", topic("+", lantopics.REQUEST),
                topic(OTHER, lantopics.REQUEST), topic(OTHER, lantopics.REPLY),
                topic(OTHER, lantopics.STATE), "$share/x/lamplighter/#",
            ):  # fmt: skip
                await attacker.subscribe(wanted, qos=1)
            off = lantopics.offline()
            reply = smp.pack(smp.OP_READ_RSP, smp.GROUP_OS, 1, smp.OS_ECHO, {"d": "forged"})
            for forged, data in (
                (topic(OTHER, lantopics.STATE), off),
                (topic(OTHER, lantopics.REPLY), reply),
                (topic(OTHER, lantopics.REQUEST), REQUEST),
                (topic(OURS, lantopics.REQUEST), REQUEST),
                ("$SYS/broker/log/N", b"Client a0b1c2d3e4f9 disconnected, not authorised."),
                (topic(OTHER + "/x", lantopics.STATE), off),
                ("lamplighter/v1/node", off),
            ):
                await attacker.publish(forged, data, qos=1, retain=True)
            # Its own it may write, and no more than that comes of it.
            await attacker.publish(
                topic(OURS, lantopics.STATE), lantopics.online("1.0.0", 1, 2), qos=1, retain=True
            )
            await on(link, OURS)
            assert (await channel(link, OTHER).exchange(REQUEST))[0][6] == 9
            assert not heard, "another's request"
            await asyncio.gather(
                channel(link, OURS, 0.2, 1).exchange(REQUEST), return_exceptions=True
            )
            await eventually(lambda: heard, "its own request")
            assert {said[0] for said in heard} == {topic(OURS, lantopics.REQUEST)}
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

        # The other was neither pushed out nor told to be gone, not by a will either.
        thief = broker.lamppost(OURS, will=_will(OTHER))
        with contextlib.suppress(aiomqtt.MqttError):
            await thief.__aenter__()
            thief._client._sock_close()  # pyright: ignore - gone without a word
        assert (await channel(link, OTHER).exchange(REQUEST))[0][6] == 9
        assert link.is_on(bytes.fromhex(OTHER))
        assert all(smp.unpack(request)[4] == {"d": "x"} for request in post.requests)
        assert len(post.requests) == 2, "of the link alone"
        assert link.refused == 0


async def test_nobody_connects_without_a_credential_and_who_tried_is_told(
    broker: OwnBroker,
) -> None:
    strangers: list[bytes] = []
    async with connected(broker.link()) as link:
        link.on_stranger = strangers.append
        for client in (
            broker.lamppost("a0b1c2d3e4f9"),
            broker.lamppost(OURS, password="wrong"),
            aiomqtt.Client("127.0.0.1", broker.settings.local_port),
            aiomqtt.Client("127.0.0.1", broker.settings.local_port, username="gateway"),
        ):
            with pytest.raises(aiomqtt.MqttError):
                await client.__aenter__()
        await eventually(lambda: strangers and link.turned_away, "told")
        assert strangers == [bytes.fromhex("a0b1c2d3e4f9")]
        assert link.turned_away == {bytes.fromhex(OURS): 1}


async def test_a_packet_too_large_ends_the_connection_of_who_sent_it_alone(
    broker: OwnBroker,
) -> None:
    async with connected(broker.link()) as link, Answering(broker, OTHER):
        client = broker.lamppost(OURS)
        await client.__aenter__()
        await client.publish(topic(OURS, lantopics.STATE), bytes(5000))
        with pytest.raises(aiomqtt.MqttError):
            await heard_by(client, [])
        await on(link, OTHER)
        assert (await channel(link, OTHER).exchange(REQUEST))[0][6] == 9
        assert link.connections == 1


async def test_who_pours_is_shut_out_and_the_others_are_heard_again(broker: OwnBroker) -> None:
    keeping = asyncio.create_task(broker.setup.run())
    async with connected(broker.link()) as link, Answering(broker, OTHER):
        link.on_flood = broker.setup.shut_out
        await on(link, OTHER)
        attacker = broker.lamppost(OURS)
        await attacker.__aenter__()
        pouring = asyncio.create_task(heard_by(attacker, []))
        while not pouring.done():
            with contextlib.suppress(aiomqtt.MqttError):
                await attacker.publish(topic(OURS, lantopics.REPLY), bytes(900))
            await asyncio.sleep(0)
        with pytest.raises(aiomqtt.MqttError):
            await pouring
        assert (await channel(link, OTHER, 5, 10).exchange(REQUEST))[0][6] == 9
        with pytest.raises(aiomqtt.MqttError):
            await broker.lamppost(OURS).__aenter__()
        assert (link.connections, broker.starts) == (1, 1)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_who_is_taken_out_is_disconnected_and_who_is_new_let_in_without_a_restart(
    broker: OwnBroker,
) -> None:
    setup = broker.setup
    async with (
        connected(broker.link()) as link,
        Answering(broker, OURS) as post,
        Answering(broker, OTHER),
    ):
        await on(link, OURS)
        await on(link, OTHER)
        assert not setup.prepare(), "nothing has changed"
        setup.set_lampposts([section(OTHER), section("a0b1c2d3e4f8")])
        assert setup.prepare()
        link.set_nodes([section(OTHER).node])
        await eventually(post.ended, "disconnected")
        assert not link.is_on(bytes.fromhex(OURS))
        assert (await channel(link, OTHER).exchange(REQUEST))[0][6] == 9
        async with broker.lamppost("a0b1c2d3e4f8"):
            pass
        assert (link.connections, broker.starts) == (1, 1)


async def test_a_certificate_renewed_is_shown_to_the_next_who_connects(
    broker: OwnBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serial() -> int:
        pem = ssl.get_server_certificate(("127.0.0.1", broker.settings.port))
        return x509.load_pem_x509_certificate(pem.encode()).serial_number

    before = await asyncio.to_thread(serial)
    async with Answering(broker, OURS) as post:
        clock = broker.setup._clock
        now = clock.now()
        monkeypatch.setattr(clock, "now", lambda: now + 500 * 86_400)
        assert broker.setup.prepare()
        async with connected(broker.link()) as link:
            async with asyncio.timeout(60):
                while await asyncio.to_thread(serial) == before:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            await on(link, OURS)
            await channel(link, OURS).exchange(REQUEST)
            assert post.requests, "who was connected stays so"
    async with broker.lamppost(OTHER):
        pass
    assert broker.starts == 1


async def test_a_broker_with_an_older_configuration_is_ended_and_started_again(
    broker: OwnBroker,
) -> None:
    folder = broker.setup.folder
    first = files.running(folder)
    (folder / files.CONFIGURATION).write_text("# changed by hand\n")
    assert broker.setup.prepare()
    await eventually(lambda: files.running(folder) not in (None, first), "started again")
    async with connected(broker.link()):
        assert broker.starts == 2


async def test_nobody_else_is_signalled_for_the_broker(broker: OwnBroker) -> None:
    folder = broker.setup.folder
    for text in ("1", "0", "-1", "x", "", "99999999"):
        (folder / files.PID).write_text(text)
        assert files.running(folder) is None
        assert not files.take_up(folder)

"""The node's LAN link against a real broker, through networks that behave badly."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiomqtt
import pytest

from protocol import lantopics, network, smp
from tests.integration.gateway.harness import Broker, eventually
from tests.integration.lan.certificates import Authority
from tests.integration.lan.link import NODE, Link
from tests.integration.lan.master import Master
from tests.integration.lan.proxy import Mode, Proxy

# Of what a step of the lamp may be late by our own doing, whatever the broker does.
LATE_MS = 50
# By the clock, on a machine that others use too.
LATE_AMONG_OTHERS_MS = 400


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    made = Broker(tmp_path)
    await made.start()
    yield made
    await made.stop()


def document(port: int) -> bytes:
    return network.document("127.0.0.1", port)


async def echo(port: int, text: str = "x") -> None:
    async with Master(port, NODE) as master:
        reply = await master.ask(smp.OP_WRITE, smp.GROUP_OS, smp.OS_ECHO, {"d": text})
        assert reply == {"d": text}


def steady(link: Link) -> None:
    """The lamp has kept its steps."""
    steps, worst, late, busy = link.lamp
    print(
        f"{steps} steps of the lamp: the worst {worst} ms late, {late} more than {LATE_MS} ms, "
        f"at most {busy} ms of processor between two"
    )
    assert steps > 5
    assert busy < LATE_MS, link.lamp
    assert worst < LATE_AMONG_OTHERS_MS, link.lamp


async def test_requests_are_answered_up_to_the_largest(broker: Broker) -> None:
    async with Link(document(broker.port)) as link:
        await link.says("up 1")
        for size in (1, 500, 1180):
            await echo(broker.port, "x" * size)
        async with aiomqtt.Client("127.0.0.1", broker.port) as other:
            topic = lantopics.topic(NODE, lantopics.REQUEST)
            await other.publish(topic, bytes(100_000))  # passed over, not stumbled over
            await other.publish(topic, b"stale", retain=True)
        await echo(broker.port, "after")
        assert link.said[-1] == "up 1 False"
    steady(link)


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_a_broker_that_ended_is_found_again(broker: Broker, how: str) -> None:
    async with Link(document(broker.port)) as link:
        seen = await link.says("up 1 False")
        # Stopped it saves the sessions it has, killed it does not.
        await (broker.stop() if how == "stopped" else broker.kill())
        seen = await link.says("refused or unreachable", seen)
        await broker.start()

        await link.says(f"up 2 {how == 'stopped'}", seen)

        # By the subscription that was kept, or by a new one.
        await echo(broker.port)
    steady(link)


async def test_a_frozen_broker_is_waited_for_a_while_and_then_left(broker: Broker) -> None:
    async with Link(document(broker.port), "quick", "flood") as link:
        seen = await link.says("up 1")
        broker.freeze()
        seen = await link.says("down no", seen)  # answer to a ping, or acknowledgement
        # Its port still takes connections, and nobody is behind it.
        seen = await link.says("no CONNACK", seen)
        broker.thaw()
        await link.says("up", seen)
        await echo(broker.port)
    steady(link)


async def test_the_will_is_told_for_a_node_that_dies_and_the_birth_when_it_is_back(
    broker: Broker,
) -> None:
    topic = lantopics.topic(NODE, lantopics.STATE)
    async with aiomqtt.Client("127.0.0.1", broker.port) as city:
        await city.subscribe(topic, qos=1)
        async with Link(document(broker.port)) as link:
            await link.says("up 1")
            await asyncio.wait_for(_state(city, True), 30)
        await asyncio.wait_for(_state(city, False), 30)


async def test_a_node_that_is_told_to_leave_says_that_it_is_gone(broker: Broker) -> None:
    topic = lantopics.topic(NODE, lantopics.STATE)
    async with aiomqtt.Client("127.0.0.1", broker.port) as city:
        await city.subscribe(topic, qos=1)
        async with Link(document(broker.port)) as link:
            seen = await link.says("up 1")
            await asyncio.wait_for(_state(city, True), 30)
            link.leave()
            await link.says("down off", seen)
            await asyncio.wait_for(_state(city, False), 30)


async def _state(client: aiomqtt.Client, online: bool) -> None:
    async for message in client.messages:
        assert isinstance(message.payload, bytes)
        if lantopics.parse_state(message.payload)["on"] is online:
            return


async def test_a_half_open_connection_is_noticed_and_left(broker: Broker) -> None:
    async with Proxy(broker.port) as proxy:
        async with Link(document(proxy.port), "quick") as link:
            seen = await link.says("up 1")
            # Nothing but a ping is under way then.
            async with asyncio.timeout(240):
                await proxy.answered.wait()
            proxy.mode = Mode.BLACKHOLE
            seen = await link.says("no answer to a ping", seen)
            seen = await link.says("no CONNACK", seen)
            proxy.mode = Mode.PASS
            proxy.cut()
            await link.says("up 2", seen)
            await echo(broker.port)
        steady(link)


async def test_a_broker_that_sends_byte_by_byte_is_served(broker: Broker) -> None:
    async with Proxy(broker.port) as proxy:
        proxy.mode = Mode.TRICKLE
        async with Link(document(proxy.port)) as link:
            await link.says("up 1")
            await echo(broker.port, "x" * 100)
            assert link.said[-1] == "up 1 False"
        steady(link)


async def test_garbage_is_left_and_the_broker_found_again(broker: Broker) -> None:
    async with Proxy(broker.port) as proxy:
        proxy.mode = Mode.NOISE
        async with Link(document(proxy.port), "quick", "flood") as link:
            await link.says("down")
            for mode in (Mode.GARBAGE, Mode.NOISE, Mode.GARBAGE):
                proxy.mode = mode
                proxy.cut()
                accepted = proxy.accepted
                await eventually(partial(_met, proxy, accepted + 3), "it tries again")
            proxy.mode = Mode.PASS
            proxy.cut()
            await link.says("up", len(link.said))
            await echo(broker.port)
        steady(link)


def _met(proxy: Proxy, connections: int) -> bool:
    return proxy.accepted >= connections


async def test_a_node_that_is_kicked_comes_back(broker: Broker) -> None:
    async with Link(document(broker.port)) as link:
        seen = await link.says("up 1")
        # Another client of the same name: the broker closes the older connection (3.1.4-2).
        async with aiomqtt.Client("127.0.0.1", broker.port, identifier=f"lamplighter-{NODE}"):
            await link.says("the broker closed the connection", seen)
        await link.says("up", seen)
        await echo(broker.port)
    steady(link)


async def test_user_and_password_are_shown_and_a_refusal_is_said(tmp_path: Path) -> None:
    # mosquitto takes a file of plain names without passwords as one that knows nobody.
    (tmp_path / "users").write_text("")
    (tmp_path / "users").chmod(0o700)
    broker = Broker(tmp_path, f"allow_anonymous false\npassword_file {tmp_path}/users\n")
    await broker.start()
    try:
        known = network.document("127.0.0.1", broker.port, user="lamp", password="wrong")
        async with Link(known) as link:
            await link.says("the broker refuses user or password (5)")
    finally:
        await broker.stop()


async def test_tls_believes_the_right_certificate_alone(tmp_path: Path) -> None:
    authority = Authority()
    broker = Broker(tmp_path, authority.listener(tmp_path, "cabinet.test"))
    await broker.start()

    def secured(certificate: bytes, name: str) -> bytes:
        return network.document("127.0.0.1", broker.port, authority=certificate, name=name)

    try:
        async with Link(secured(authority.pem, "cabinet.test"), "unset") as link:
            await link.says("the clock is not set, so no certificate can be checked")
            link.tell()
            await link.says("up 1")
        steady(link)
        async with Link(secured(authority.der, "elsewhere.test")) as link:
            await link.says("failed:")
            assert not any("up" in line.split() for line in link.said), link.said
        async with Link(secured(Authority("another").der, "cabinet.test")) as link:
            await link.says("failed:")
            assert not any("up" in line.split() for line in link.said), link.said
    finally:
        await broker.stop()


async def test_tls_carries_the_largest_requests_through_a_slow_network(tmp_path: Path) -> None:
    authority = Authority()
    broker = Broker(tmp_path, authority.listener(tmp_path, "cabinet.test"))
    await broker.start()
    try:
        async with Proxy(broker.port) as proxy:
            async with Link(
                network.document(
                    "127.0.0.1", proxy.port, authority=authority.der, name="cabinet.test"
                ),
                "flood",
            ) as link:
                seen = await link.says("up 1")
                await asyncio.sleep(1)
                proxy.cut()
                await link.says("up 2", seen)
                await asyncio.sleep(0.5)
            steady(link)
    finally:
        await broker.stop()


async def test_packet_ids_begin_again_and_every_message_arrives(broker: Broker) -> None:
    async with numbers(broker.port) as arrived:
        async with Link(document(broker.port), "flood=2000", "from=64500") as link:
            seen = await link.says("acknowledged 2000 1 ")
            assert 900 < int(link.said[seen - 1].split()[-1]) < 1100, "of the ids after 65535"
        await eventually(lambda: len(arrived) >= 2000, "every message")
    assert arrived == list(range(2000))
    steady(link)


@pytest.mark.soak
@pytest.mark.parametrize("bits", [64, 32])
async def test_70_000_publishes_in_one_connection_pass_the_end_of_the_packet_ids(
    broker: Broker, bits: int
) -> None:
    async with numbers(broker.port) as arrived:
        async with Link(document(broker.port), "flood=70000", bits=bits) as link:
            await link.says("acknowledged 70000 1", within_s=600)
        await eventually(lambda: len(arrived) >= 70_000, "every message")
    assert arrived == list(range(70_000))
    steady(link)
    steps, _, late, _ = link.lamp
    assert late <= steps // 500, "what the machine does meanwhile left aside"


@contextlib.asynccontextmanager
async def numbers(port: int) -> AsyncIterator[list[int]]:
    """The numbers that a flood has brought so far, to somebody who listens."""
    arrived: list[int] = []

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            arrived.append(int(message.payload))

    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("flood", qos=1)
        listening = asyncio.create_task(listen(client))
        yield arrived
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

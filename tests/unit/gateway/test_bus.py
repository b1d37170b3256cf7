"""Turns on the line, sealed sessions, replies that are not believed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.buffer.records import Position
from gateway.bus.channel import BusChannel
from gateway.errors import (
    BadReply,
    NodeRefused,
    NoReply,
    SealBroken,
    Unsettled,
)
from gateway.lampposts import management
from gateway.lampposts.readings import batch_of
from gateway.lampposts.route import Route
from gateway.lampposts.session import MOST_JUMP, Session
from gateway.lampposts.smp_transport import SessionTransport
from gateway.lampposts.turns import Traffic, Turns
from gateway.logs import get
from protocol import envelope, messages, records, smp

NODE = bytes.fromhex("a0b1c2d3e4f5")
KEY = bytes(range(16))


async def test_polls_and_transfers_alternate_and_commands_go_first() -> None:
    turns = Turns()
    order: list[str] = []

    async def work(traffic: Traffic, name: str) -> None:
        async with turns.take(traffic):
            order.append(name)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group, turns.take(Traffic.POLL):
        for number in range(3):
            group.create_task(work(Traffic.POLL, f"poll{number}"))
        for number in range(3):
            group.create_task(work(Traffic.TRANSFER, f"transfer{number}"))
        group.create_task(work(Traffic.COMMAND, "command"))
        await asyncio.sleep(0)
    assert order == [
        "command", "transfer0", "poll0", "transfer1", "poll1", "transfer2", "poll2"
    ]  # fmt: skip


async def test_a_cancelled_wait_does_not_lose_the_line() -> None:
    turns = Turns()

    async def work() -> None:
        async with turns.take(Traffic.POLL):
            pass

    async with turns.take(Traffic.POLL):
        waiting = [asyncio.create_task(work()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    # Given the turn and cancelled before it could run.
    waiting[1].cancel()
    await asyncio.wait_for(waiting[2], 5)
    async with turns.take(Traffic.TRANSFER):
        pass


class Lamppost:
    """The far side of a session: answers by a script of functions, one a frame."""

    def __init__(self, *script: Callable[[bytes], bytes]) -> None:
        self.script = list(script)
        self.frames: list[bytes] = []

    open = True

    def next_sequence(self) -> int:
        return 1

    async def transact(
        self, address: int, sequence: int, payload: bytes, patience_s: float = 0
    ) -> bytes:
        self.frames.append(payload)
        return self.script.pop(0)(payload)


class Reservations:
    def __init__(self) -> None:
        self.reserved = 0

    async def reserve_counters(self, node: bytes, at_least: int, block: int) -> tuple[int, int]:
        first = max(self.reserved, at_least)
        self.reserved = first + block
        return first, self.reserved


def session(lamppost: Lamppost, reservations: Reservations | None = None) -> Session:
    channel = BusChannel(1, lamppost, Turns(), 3)  # type: ignore[arg-type]
    route = Route([channel])
    return Session(NODE, KEY, 1, route, reservations or Reservations(), get())  # type: ignore[arg-type]


def counter_of(frame: bytes) -> int:
    data = messages.parse_sealed(smp.unpack(frame)[4])
    return envelope.open_sealed({1: KEY}, NODE, envelope.TO_NODE, data)[2]


def outer(body: dict[str, Any]) -> bytes:
    return smp.pack(smp.OP_WRITE_RSP, smp.GROUP_STREET, 0, messages.SEALED, body)


def good(frame: bytes) -> bytes:
    inner = smp.pack(smp.OP_WRITE_RSP, smp.GROUP_STREET, 0, messages.LAMP, {"l": 30})
    return outer(
        messages.sealed(envelope.seal(KEY, 1, NODE, envelope.FROM_NODE, counter_of(frame), inner))
    )


def silent(frame: bytes) -> bytes:
    raise NoReply("silent")


def replay(lowest: object) -> Callable[[bytes], bytes]:
    refusal = smp.error(smp.GROUP_STREET, smp.STREET_ERR_REPLAY)
    return lambda frame: outer({**refusal, "c": lowest})


LAMP = management.lamp(30, 60)


async def test_a_repeat_after_silence_is_the_same_bytes() -> None:
    lamppost = Lamppost(silent, silent, good)
    assert await session(lamppost).ask(LAMP, Traffic.COMMAND) == {"l": 30}
    assert len(set(lamppost.frames)) == 1


async def test_silence_ends_after_the_attempts() -> None:
    lamppost = Lamppost(silent, silent, silent)
    with pytest.raises(NoReply):
        await session(lamppost).ask(LAMP, Traffic.COMMAND)
    assert not lamppost.script


async def test_a_replay_answer_moves_the_counter_on() -> None:
    lamppost = Lamppost(replay(777), good)
    await session(lamppost).ask(LAMP, Traffic.COMMAND)
    assert [counter_of(frame) for frame in lamppost.frames] == [0, 777]


async def test_a_jump_is_bounded_and_several_reach_far() -> None:
    far = 2 * MOST_JUMP
    lamppost = Lamppost(good, replay(far), replay(far), good)
    talk = session(lamppost)
    await talk.ask(LAMP, Traffic.COMMAND)
    await talk.ask(LAMP, Traffic.COMMAND)
    assert [counter_of(frame) for frame in lamppost.frames] == [0, 1, 1 + MOST_JUMP, far]


async def test_the_first_floor_heard_is_followed_at_once_but_not_to_the_end() -> None:
    lost = Lamppost(replay((1 << 38) + 12345), good)
    await session(lost).ask(LAMP, Traffic.COMMAND)
    assert counter_of(lost.frames[-1]) == (1 << 38) + 12345
    forged = Lamppost(replay(envelope.MAX_COUNTER), good)
    await session(forged).ask(LAMP, Traffic.COMMAND)
    assert counter_of(forged.frames[-1]) == MOST_JUMP


@pytest.mark.parametrize("lowest", [0, -5, None, True, "9"])
async def test_a_replay_answer_never_moves_the_counter_back(lowest: object) -> None:
    with pytest.raises(BadReply):
        await session(Lamppost(replay(lowest))).ask(LAMP, Traffic.COMMAND)


async def test_a_reset_of_unknown_fate_is_not_sent_again() -> None:
    lamppost = Lamppost(silent, replay(50))
    with pytest.raises(Unsettled):
        await session(lamppost).ask(LAMP, Traffic.COMMAND, idempotent=False)
    assert not lamppost.script


async def test_counters_are_never_used_twice_across_restarts() -> None:
    reservations = Reservations()
    used: list[int] = []
    for _ in range(3):
        lamppost = Lamppost(good, good)
        again = session(lamppost, reservations)
        await again.ask(LAMP, Traffic.COMMAND)
        await again.ask(LAMP, Traffic.COMMAND)
        used += [counter_of(frame) for frame in lamppost.frames]
    assert len(set(used)) == 6


async def test_an_answer_to_another_request_is_not_believed() -> None:
    first = Lamppost(good)
    talk = session(first)
    await talk.ask(LAMP, Traffic.COMMAND)
    old = good(first.frames[0])
    first.script = [lambda frame: old]
    with pytest.raises(SealBroken):
        await talk.ask(LAMP, Traffic.COMMAND)


async def test_an_unsealed_answer_is_not_believed() -> None:
    lamppost = Lamppost(lambda frame: outer({"l": 30}))
    with pytest.raises(SealBroken):
        await session(lamppost).ask(LAMP, Traffic.COMMAND)


async def test_a_refusal_carries_code_and_reason() -> None:
    def refuse(frame: bytes) -> bytes:
        body = {"rc": smp.MGMT_ERR_EINVAL, "rsn": "too bright"}
        inner = smp.pack(smp.OP_WRITE_RSP, smp.GROUP_STREET, 0, messages.LAMP, body)
        sealed = envelope.seal(KEY, 1, NODE, envelope.FROM_NODE, counter_of(frame), inner)
        return outer(messages.sealed(sealed))

    with pytest.raises(NodeRefused) as caught:
        await session(Lamppost(refuse)).ask(LAMP, Traffic.COMMAND)
    assert caught.value.reason == "too bright"
    assert not caught.value.passing


@given(st.binary(max_size=80))
def test_garbage_raises_only_what_is_named(data: bytes) -> None:
    async def ask() -> None:
        await session(Lamppost(lambda frame: data)).ask(LAMP, Traffic.COMMAND)

    with pytest.raises((BadReply, SealBroken, NodeRefused)):
        asyncio.run(ask())


async def test_smpclient_speaks_sealed_over_a_session() -> None:
    from smpclient import SMPClient
    from smpclient.requests.os_management import EchoWrite

    def echo(frame: bytes) -> bytes:
        data = messages.parse_sealed(smp.unpack(frame)[4])
        asked, _, counter = envelope.open_sealed({1: KEY}, NODE, envelope.TO_NODE, data)
        _, group, sequence, command, body = smp.unpack(asked)
        said = smp.pack(smp.OP_WRITE_RSP, group, sequence, command, {"r": body["d"]})
        return outer(
            messages.sealed(envelope.seal(KEY, 1, NODE, envelope.FROM_NODE, counter, said))
        )

    far = Lamppost(silent, echo)
    client = SMPClient(SessionTransport(session(far)), "node")
    assert (await client.request(EchoWrite(d="hello"))).r == "hello"  # type: ignore[union-attr]
    assert b"hello" not in far.frames[0]


async def test_the_largest_message_of_smpclient_fits_the_link_when_it_is_sealed() -> None:
    def no(frame: bytes) -> bytes:
        return outer(smp.error(smp.GROUP_STREET, smp.STREET_ERR_BUSY))

    far = Lamppost(no)
    talk = session(far)
    transport = SessionTransport(talk)
    transport.initialize(4096)
    assert transport.max_unencoded_size < talk.route.best.mtu
    largest = smp.pack_header(smp.OP_WRITE, 1, 0, 1, transport.max_unencoded_size - 8)
    await transport.send_and_receive(largest + bytes(transport.max_unencoded_size - 8))
    assert len(far.frames[0]) == talk.route.best.mtu


def body(epoch: int, first: int, *bodies: bytes, waiting: int = 0) -> dict[str, Any]:
    return messages.readings_reply(epoch, first, list(bodies), waiting, 1, 50)


RECORD = records.encode(records.LAMP, 1_800_000_000, 50, 1, 50)


def test_a_reply_becomes_a_batch() -> None:
    reply = batch_of(NODE, Position(1, 5), body(1, 5, RECORD, RECORD, waiting=9))
    assert reply.batch is not None
    assert reply.batch.next == (1, 7)
    assert [seq for seq, _ in reply.batch.records] == [5, 6]
    assert reply.waiting == 9


def test_records_read_before_are_not_taken_again() -> None:
    reply = batch_of(NODE, Position(1, 6), body(1, 5, RECORD, RECORD))
    assert reply.batch is not None
    assert [seq for seq, _ in reply.batch.records] == [6]
    assert reply.batch.repeated == 1
    assert batch_of(NODE, Position(1, 7), body(1, 5, RECORD, RECORD)).batch is None
    assert batch_of(NODE, Position(2, 0), body(1, 5, RECORD)).batch is None


def test_a_gap_is_counted_within_an_epoch() -> None:
    reply = batch_of(NODE, Position(1, 5), body(1, 15, RECORD))
    assert reply.batch is not None
    assert reply.batch.missed == 10
    fresh = batch_of(NODE, Position(1, 5), body(2, 0, RECORD))
    assert fresh.batch is not None
    assert fresh.batch.missed == 0


def test_what_is_no_record_is_set_aside_and_does_not_stop_the_rest() -> None:
    reply = batch_of(NODE, Position(1, 0), body(1, 0, RECORD, b"\xff", b"\x80", b"\x60" * 300))
    assert reply.batch is not None
    assert [item.seq for item in reply.batch.rejected] == [1, 2, 3]
    assert reply.batch.next == (1, 4)


def test_kinds_this_gateway_does_not_know_go_through() -> None:
    from protocol import cbor

    reply = batch_of(NODE, Position(1, 0), body(1, 0, cbor.dumps([99, 1_800_000_000, 1])))
    assert reply.batch is not None
    assert len(reply.batch.records) == 1


@given(
    st.dictionaries(
        st.sampled_from(["e", "s", "r", "b", "g", "l", "x"]), st.integers() | st.binary()
    )
)
def test_a_wrong_reply_raises_bad_reply(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadReply):
        batch_of(NODE, Position(0, 0), wrong)

"""Whoever sits on the line may say anything: it costs one exchange, never the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadReply, GatewayError, NodeRefused, SealBroken
from gateway.lampposts import management
from gateway.lampposts import session as session_module
from gateway.lampposts.session import MOST_JUMP, MOST_JUMPED_PER_HOUR
from gateway.lampposts.turns import Traffic
from protocol import envelope, messages, smp
from tests.unit.gateway.test_bus import (
    KEY,
    LAMP,
    NODE,
    Lamppost,
    Reservations,
    counter_of,
    good,
    outer,
    replay,
    session,
)

IMAGE = bytes(3000)


PARAMETERS = {"buf_size": 1200, "buf_count": 1}


def upload(
    answer: Callable[[bytes], bytes], parameters: dict[str, Any] | None = PARAMETERS
) -> management.Upload:
    class Endless(Lamppost):
        async def transact(
            self, address: int, sequence: int, payload: bytes, patience_s: float = 0
        ) -> bytes:
            # Whoever has the key may say anything as well.
            data = messages.parse_sealed(smp.unpack(payload)[4])
            asked, _, counter = envelope.open_sealed({1: KEY}, NODE, envelope.TO_NODE, data)
            if parameters is not None and smp.unpack(asked)[1] == smp.GROUP_OS:
                said = reply(asked, parameters)
            else:
                said = answer(asked)
            return outer(
                messages.sealed(envelope.seal(KEY, 1, NODE, envelope.FROM_NODE, counter, said))
            )

    far = cast("Any", SimpleNamespace(session=session(Endless()), id="node"))
    return management.Upload(far, IMAGE)


def reply(frame: bytes, body: dict[str, Any]) -> bytes:
    _, group, sequence, command, _ = smp.unpack(frame)
    return smp.pack(smp.OP_WRITE_RSP, group, sequence, command, body)


@pytest.mark.parametrize("parameters", [None, PARAMETERS])
@pytest.mark.parametrize("size", range(12))
async def test_an_upload_survives_a_reply_cut_short(
    size: int, parameters: dict[str, Any] | None
) -> None:
    with pytest.raises(BadReply):
        await upload(lambda frame: reply(frame, {"off": 5})[:size], parameters).run(lambda: None)


@pytest.mark.parametrize("size", [0, 1, 50, 80, -1, -(2**40)])
async def test_an_upload_survives_a_buffer_of_no_use(size: int) -> None:
    with pytest.raises(BadReply):
        await upload(
            lambda frame: reply(frame, {"off": 5}), {"buf_size": size, "buf_count": 1}
        ).run(lambda: None)


@pytest.mark.parametrize(
    "raw", [b"\xff", b"\xa1\x63off", b"\x1b", b"\xc0\x01", b"\xf9\x7e\x00", b"\x5f", b"\x80"]
)
async def test_an_upload_survives_what_is_no_cbor_map(raw: bytes) -> None:
    def answer(frame: bytes) -> bytes:
        _, group, sequence, command, _ = smp.unpack(frame)
        return smp.pack_header(smp.OP_WRITE_RSP, group, sequence, command, len(raw)) + raw

    with pytest.raises(BadReply):
        await upload(answer).run(lambda: None)


@given(
    st.dictionaries(
        st.sampled_from(["off", "match", "rc", "err", "rsn", "header", "version", "x"]),
        st.none() | st.integers(-(2**40), 2**40) | st.binary() | st.booleans() | st.text(),
    )
)
def test_an_upload_raises_only_what_is_named(body: dict[str, Any]) -> None:
    if body.get("off") == len(IMAGE):
        body = {**body, "off": 7}  # the answer that would end the upload well
    with pytest.raises((BadReply, NodeRefused)):
        asyncio.run(upload(lambda frame: reply(frame, body)).run(lambda: None))


@pytest.mark.parametrize("error", [AssertionError, TypeError, KeyError, TimeoutError, MemoryError])
async def test_what_the_client_stumbles_over_is_a_bad_reply(error: type[Exception]) -> None:
    def stumble() -> None:
        raise error("stumbled")

    with pytest.raises(BadReply, match="stumbled"):
        await upload(lambda frame: reply(frame, {"off": 100})).run(stumble)


async def test_a_cancelled_upload_is_cancelled() -> None:
    def stop() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await upload(lambda frame: reply(frame, {"off": 100})).run(stop)


@pytest.mark.parametrize(
    "refusal",
    [
        smp.error(smp.GROUP_STREET, smp.STREET_ERR_INVALID),
        smp.error(smp.GROUP_IMAGE, 24),
        {"rc": smp.MGMT_ERR_EINVAL, "rsn": "no such setting"},
        {"rc": smp.MGMT_ERR_EACCESSDENIED},
    ],
)
async def test_an_unsealed_refusal_is_not_believed(refusal: dict[str, Any]) -> None:
    with pytest.raises(BadReply):
        await session(Lamppost(lambda frame: outer(refusal))).ask(LAMP, Traffic.COMMAND)


async def test_an_unsealed_busy_is_tried_again_later() -> None:
    busy = smp.error(smp.GROUP_STREET, smp.STREET_ERR_BUSY)
    with pytest.raises(NodeRefused) as caught:
        await session(Lamppost(lambda frame: outer(busy))).ask(LAMP, Traffic.COMMAND)
    assert caught.value.passing


async def test_used_up_counters_lose_one_lamppost_not_the_gateway() -> None:
    reservations = Reservations()
    reservations.reserved = envelope.MAX_COUNTER + 1
    talk = session(Lamppost(good), reservations)
    with pytest.raises(SealBroken):
        await talk.ask(LAMP, Traffic.COMMAND)
    assert talk.broken_seals == 1


async def test_forged_replays_use_up_only_so_much_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10_000.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr(session_module, "time", clock)
    highest = replay(envelope.MAX_COUNTER)
    far = Lamppost()
    talk = session(far)

    async def storm() -> int:
        for _ in range(3 * MOST_JUMPED_PER_HOUR // MOST_JUMP):
            far.script = [highest, highest, highest]
            with pytest.raises(GatewayError):
                await talk.ask(LAMP, Traffic.POLL)
        return counter_of(far.frames[-1])

    first = await storm()
    # Each request made takes a counter of its own as well.
    assert MOST_JUMPED_PER_HOUR <= first <= MOST_JUMPED_PER_HOUR + 100
    far.script = [good]
    assert await talk.ask(LAMP, Traffic.COMMAND) == {"l": 30}  # the lamppost is not lost
    now += 3599
    assert await storm() - first < 100
    now += 1
    assert await storm() - first >= MOST_JUMPED_PER_HOUR

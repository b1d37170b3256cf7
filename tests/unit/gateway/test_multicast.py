"""The parts of a multicast by themselves: pace, what lampposts say they have, slots."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadReply
from gateway.lampposts import multicast
from gateway.updates.pace import Pace
from gateway.updates.parcel import Parcel
from gateway.updates.slots import Slots
from gateway.updates.voice import Voice
from protocol import messages, smp
from protocol import multicast as wire

CHUNK_S = 0.08


def settled(capacity_s: float, noise: float = 0.0) -> float:
    """The pause, in chunks, where lampposts need `capacity_s` for each and lose `noise` of them."""
    pace = Pace(CHUNK_S)
    pauses: list[float] = []
    for _ in range(60):
        late = 1 - (CHUNK_S + pace.pause_s) / capacity_s
        pace.seen(1000, round(1000 * min(1.0, max(0.0, late) + noise)))
        pauses.append(pace.pause_s / CHUNK_S)
    return sum(pauses[20:]) / len(pauses[20:])


def test_the_pace_is_the_lines_where_lampposts_keep_up() -> None:
    assert settled(capacity_s=0.01) == 0


def test_the_pace_falls_to_what_slow_flash_bears() -> None:
    # Twice as slow as the line: what is lost and the pause cost about the same.
    assert 0.2 < settled(capacity_s=2 * CHUNK_S) < 1.2
    assert settled(capacity_s=4 * CHUNK_S) > settled(capacity_s=2 * CHUNK_S)


def test_noise_does_not_slow_it_down_more_than_it_costs() -> None:
    assert settled(capacity_s=0.01, noise=0.01) < 0.05
    assert settled(capacity_s=0.01, noise=0.1) < 0.2


def test_a_parcel_is_all_of_the_file() -> None:
    data = bytes(range(256)) * 9
    parcel = Parcel(data, 256 + 17)
    assert b"".join(parcel.chunk(index) for index in range(parcel.count)) == data
    assert parcel.chunk(parcel.count - 1)
    assert not parcel.chunk(parcel.count)


@pytest.mark.parametrize("baud", [9600, 19200, 57600, 115_200, 921_600])
def test_a_chunk_fits_the_protocol_and_leaves_the_line_soon(baud: int) -> None:
    voice = Voice(cast("Any", None), cast("Any", None), baud)
    assert wire.MIN_CHUNK <= voice.chunk_size <= wire.MAX_CHUNK
    if baud >= 38_400:
        assert voice.chunk_s < 0.09


def asked(reply: bytes, count: int = 20) -> multicast.Has:
    class Session:
        async def ask_unsealed(self, *_: object, **__: object) -> bytes:
            return reply

    far = cast("Any", SimpleNamespace(session=Session()))
    return asyncio.run(multicast.has(far, b"name", count))


def answer(body: dict[str, Any]) -> bytes:
    return smp.pack(smp.OP_READ_RSP, smp.GROUP_STREET, 0, messages.MULTICAST, body)


def test_chunks_that_the_file_does_not_have_are_not_missing() -> None:
    reply = answer(wire.state_reply(wire.RECEIVING, 500, 0, b"\xff" * 64))
    assert asked(reply) == (wire.RECEIVING, frozenset(range(20)))


@given(
    st.dictionaries(
        st.sampled_from(["s", "z", "x", "m", "rc", "err"]),
        st.none() | st.integers(-(2**40), 2**40) | st.binary(max_size=80) | st.text(),
    )
)
def test_what_a_lamppost_says_it_has_is_checked(body: dict[str, Any]) -> None:
    try:
        has = asked(answer(body))
    except BadReply:
        return
    assert has.missing <= frozenset(range(20))


@given(st.binary(max_size=60))
def test_what_is_no_answer_at_all_is_a_bad_reply(reply: bytes) -> None:
    with pytest.raises(BadReply):
        asked(reply)


async def test_each_link_has_slots_of_its_own() -> None:
    slots = Slots({"north": 1, "south": 2}, lan=3, ble=2)
    most: dict[str, int] = {}
    now: dict[str, int] = {}
    full = {"north": 1, "south": 2, "lan": 3, "ble": 2}
    all_full = asyncio.Event()

    async def upload(link: str) -> None:
        by_bus = link not in ("lan", "ble")
        best = SimpleNamespace(kind="bus" if by_bus else link)
        lamppost = SimpleNamespace(
            id=link, bus=link if by_bus else None, session=SimpleNamespace(
                route=SimpleNamespace(best=best)
            ),
        )  # fmt: skip
        async with slots.of(cast("Any", lamppost)):
            now[link] = now.get(link, 0) + 1
            most[link] = max(most.get(link, 0), now[link])
            if now == full:
                all_full.set()
            await all_full.wait()
            await asyncio.sleep(0)
            now[link] -= 1

    async with asyncio.timeout(30):
        await asyncio.gather(*(upload(link) for link in full for _ in range(5)))
    assert most == full

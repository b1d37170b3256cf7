"""The requests of a multicast, by name. What crosses the line is in protocol/multicast.py."""

from __future__ import annotations

from typing import NamedTuple

from gateway.errors import BadReply
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.management import FLASH_PATIENCE_S
from gateway.lampposts.turns import Traffic
from protocol import messages, multicast, smp
from protocol.errors import ProtocolError


class Has(NamedTuple):
    """What a lamppost has of a file: one of multicast.NONE to REFUSED, indices it misses."""

    state: int
    missing: frozenset[int]


def start(sha: bytes, size: int, chunk: int) -> bytes:
    """The message that says what comes; it counts only sealed."""
    return _pack(smp.OP_WRITE, multicast.start_request(sha, size, chunk))


def chunk(name: bytes, index: int, data: bytes) -> bytes:
    """The message that carries a chunk, as all may hear it: unsealed."""
    return _pack(smp.OP_WRITE, multicast.chunk_request(name, index, data))


async def expect(lamppost: Lamppost, sha: bytes, size: int, chunk_size: int) -> None:
    """Tell one lamppost, sealed, what comes. Raises as Session.ask does."""
    await lamppost.session.ask(
        start(sha, size, chunk_size), Traffic.TRANSFER, attempts=2, patience_s=FLASH_PATIENCE_S
    )


async def give(lamppost: Lamppost, name: bytes, index: int, data: bytes) -> None:
    """Give one lamppost a chunk, sealed. Raises as Session.ask does."""
    await lamppost.session.ask(
        chunk(name, index, data), Traffic.TRANSFER, patience_s=FLASH_PATIENCE_S
    )


async def has(lamppost: Lamppost, name: bytes, count: int, attempts: int | None = None) -> Has:
    """What `lamppost` has of the file `name`, which has `count` chunks.

    Not sealed: it is asked of many, costs half the line so, and a lie costs no more than chunks
    sent in vain, since what a lamppost has in the end is asked of it sealed.
    Raises NoReply, LinkUnavailable, BadReply.
    """
    missing: set[int] = set()
    first = 0
    while True:
        state, total, window = await _window(lamppost, name, first, attempts)
        missing.update(index for index in window if index < count)
        first += multicast.WINDOW
        if state != multicast.RECEIVING or first >= count or total <= len(missing):
            return Has(state, frozenset(missing))


async def _window(
    lamppost: Lamppost, name: bytes, first: int, attempts: int | None
) -> tuple[int, int, list[int]]:
    request = _pack(smp.OP_READ, multicast.state_request(name, first))
    reply = await lamppost.session.ask_unsealed(request, Traffic.TRANSFER, attempts=attempts)
    try:
        op, group, _, command, body = smp.unpack(reply)
        if (op, group, command) != (smp.OP_READ_RSP, smp.GROUP_STREET, messages.MULTICAST):
            raise BadReply(f"multicast: answered with operation {op} of group {group}, {command}")
        if smp.error_of(body) is not None:
            raise BadReply(f"multicast: answered with error {smp.error_of(body)}")
        return multicast.parse_state_reply(body)
    except ProtocolError as error:
        raise BadReply(f"multicast: {error}") from error


def _pack(op: int, body: dict[str, object]) -> bytes:
    return smp.pack(op, smp.GROUP_STREET, 0, messages.MULTICAST, body)

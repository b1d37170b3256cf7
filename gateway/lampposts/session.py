"""The sealed conversation with one lamppost.

Each request has a counter of its own; a repeat after silence is the same bytes, which the lamppost
recognises and answers from memory. So a request takes effect at most once, however often it is
repeated here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gateway.buffer.state import START_BELOW, State
from gateway.errors import (
    BadReply,
    LinkUnavailable,
    NodeRefused,
    NoReply,
    SealBroken,
    Unsettled,
)
from gateway.lampposts.channel import Channel
from gateway.lampposts.route import Route
from gateway.lampposts.turns import Traffic
from gateway.logs import Logger
from protocol import envelope, messages, smp
from protocol.errors import ProtocolError

# Counters are set aside on disk this many at a time: one flush per thousand requests, and at most
# this many skipped by a restart. 2**40 of them outlast any lamppost.
COUNTER_BLOCK = 1024
# A REPLAY answer is not sealed, so anyone on the line may forge one. Bounding the jump keeps a
# forger from using up the counters; a lamppost far ahead is reached in several jumps.
MOST_JUMP = 1 << 24
# Of all jumps of a lamppost in an hour. A forger needs almost two years for all 2**40; a gateway
# that lost its counters catches up with ten years of one request a second in five hours.
MOST_JUMPED_PER_HOUR = 1 << 26
_HOUR_S = 3600.0
# Counters lost with the database begin at random below START_BELOW, and a lamppost's floor is where
# they had got to. Until it has once answered under seal its floor is followed up to here at once;
# who forges that leaves three quarters of the counters.
_FIRST_FLOOR_MOST = START_BELOW + (1 << 30)
# May be said unsealed without harm: the request is made again.
_UNSEALED_BUSY = (smp.GROUP_STREET, smp.STREET_ERR_BUSY)


class Session:
    """Exchanges with the lamppost `node` (6 bytes) by way of `route`, sealed with `key`."""

    def __init__(
        self, node: bytes, key: bytes, key_id: int, route: Route, state: State, log: Logger
    ) -> None:
        self._node = node
        self._key = key
        self._key_id = key_id
        self.route = route
        self._state = state
        self._log = log
        self._counter = 0
        self._reserved = 0
        self._answered = False
        self._jumped = 0
        self._jumped_since = 0.0  # machine time
        self.jumps = 0
        self.broken_seals = 0

    async def ask(
        self,
        message: bytes,
        traffic: Traffic,
        *,
        idempotent: bool = True,
        attempts: int | None = None,
        patience_s: float = 0,
        just_before: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Send one SMP message sealed; give the body of the reply.

        idempotent: whether a request whose fate is unknown may be made again as a new one.
        just_before: called when the link is ours, before the first byte of each new request; may
        raise to give up.
        Raises NodeRefused, NoReply, LinkUnavailable, SealBroken, BadReply, Unsettled.
        """
        channel = self.route.current()
        async with channel.turn(traffic):
            for _ in range(3):
                if just_before is not None:
                    just_before()
                counter = await self._take_counter()
                sealed = self._seal(counter, message)
                outer = smp.pack(
                    smp.OP_WRITE, smp.GROUP_STREET, counter & 0xFF, messages.SEALED,
                    messages.sealed(sealed),
                )  # fmt: skip
                reply, repeated = await self._exchange(channel, outer, attempts, patience_s)
                body = _reply_body(reply, smp.GROUP_STREET, messages.SEALED)
                refusal = smp.error_of(body)
                if refusal is None:
                    inner = self._open(body, counter)
                    self.route.answered(channel)
                    return _inner_body(inner, message)
                if refusal == (smp.GROUP_STREET, smp.STREET_ERR_SEAL):
                    self.broken_seals += 1
                    raise SealBroken("the lamppost cannot open our seal: another key, or damage")
                if refusal == _UNSEALED_BUSY:
                    raise _refused(body)
                if refusal != (smp.GROUP_STREET, smp.STREET_ERR_REPLAY):
                    # Anyone on the line may have said this, and a lamppost says it of a request
                    # that was garbled. What it refuses for good, it refuses sealed.
                    raise BadReply(f"unsealed, so not believed: {_refused(body)}")
                if repeated and not idempotent:
                    raise Unsettled("the lamppost restarted while a request was on its way")
                self._jump(body, counter)
            raise BadReply("the lamppost keeps refusing our counters as replays")

    async def ask_unsealed(
        self,
        message: bytes,
        traffic: Traffic,
        *,
        attempts: int | None = None,
        patience_s: float = 0,
    ) -> bytes:
        """Send one SMP message as it is; give the reply message. Only for what needs no seal.

        Raises NoReply, LinkUnavailable.
        """
        channel = self.route.current()
        async with channel.turn(traffic):
            return (await self._exchange(channel, message, attempts, patience_s))[0]

    async def _exchange(
        self, channel: Channel, message: bytes, attempts: int | None, patience_s: float
    ) -> tuple[bytes, bool]:
        if len(message) > channel.mtu:
            raise BadReply(
                f"a message of {len(message)} bytes, the {channel.kind} carries {channel.mtu}"
            )
        try:
            return await channel.exchange(message, attempts=attempts, patience_s=patience_s)
        except (NoReply, LinkUnavailable):
            self.route.failed(channel)
            raise

    async def _take_counter(self) -> int:
        if self._counter >= self._reserved:
            self._counter, self._reserved = await self._state.reserve_counters(
                self._node, self._counter, COUNTER_BLOCK
            )
        counter = self._counter
        self._counter += 1
        return counter

    def _jump(self, body: dict[str, Any], used: int) -> None:
        now = time.monotonic()
        if now - self._jumped_since >= _HOUR_S:
            self._jumped, self._jumped_since = 0, now
        lowest = body.get("c")
        if not isinstance(lowest, int) or isinstance(lowest, bool) or lowest <= used:
            raise BadReply(f"refused as a replay, but {lowest!r} is not a higher counter")
        if not self._answered and lowest <= _FIRST_FLOOR_MOST:
            target = lowest
        else:
            target = min(lowest, used + MOST_JUMP, used + MOST_JUMPED_PER_HOUR - self._jumped)
            if target <= used:
                raise BadReply(
                    "refused as a replay, more often than can be true: counters are kept"
                )
            self._jumped += target - used
        self.jumps += 1
        self._log.info("sealing counter moved on", used=used, lowest=lowest, now=target)
        self._counter = max(self._counter, target)

    def _seal(self, counter: int, message: bytes) -> bytes:
        try:
            return envelope.seal(
                self._key, self._key_id, self._node, envelope.TO_NODE, counter, message
            )
        except ProtocolError as error:
            # Its counters are used up: this lamppost needs another key, the others do not.
            self.broken_seals += 1
            raise SealBroken(f"cannot seal with counter {counter}: {error}") from error

    def _open(self, body: dict[str, Any], counter: int) -> bytes:
        try:
            plain, _, answered = envelope.open_sealed(
                {self._key_id: self._key},
                self._node,
                envelope.FROM_NODE,
                messages.parse_sealed(body),
            )
        except ProtocolError as error:
            self.broken_seals += 1
            raise SealBroken(str(error)) from error
        if answered != counter:
            self.broken_seals += 1
            raise SealBroken(f"reply to counter {answered}, asked with {counter}")
        self._answered = True
        return plain


def _inner_body(reply: bytes, request: bytes) -> dict[str, Any]:
    _, group, _, command, _, _ = smp.unpack_header(request)
    body = _reply_body(reply, group, command)
    if smp.error_of(body) is not None:
        raise _refused(body)
    return body


def _reply_body(data: bytes, group: int, command: int) -> dict[str, Any]:
    try:
        op, got_group, _, got_command, body = smp.unpack(data)
    except ProtocolError as error:
        raise BadReply(str(error)) from error
    if op not in (smp.OP_READ_RSP, smp.OP_WRITE_RSP) or (got_group, got_command) != (
        group,
        command,
    ):
        raise BadReply(
            f"reply to group {group} command {command} expected, "
            f"got operation {op} of group {got_group} command {got_command}"
        )
    return body


def _refused(body: dict[str, Any]) -> NodeRefused:
    refusal = smp.error_of(body)
    group, code = refusal if refusal is not None else (None, smp.MGMT_ERR_EUNKNOWN)
    reason = body.get("rsn")
    return NodeRefused(group, code, reason[:200] if isinstance(reason, str) else "")

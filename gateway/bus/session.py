"""The sealed conversation with one lamppost.

Each request has a counter of its own; a repeat after silence is the same bytes, which the lamppost
recognises and answers from memory. So a request takes effect at most once, however often it is
repeated here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.buffer.state import State
from gateway.bus.transaction import Line
from gateway.bus.turns import Traffic, Turns
from gateway.errors import BadReply, NodeRefused, NoReply, SealBroken, Unsettled
from gateway.logs import Logger
from protocol import envelope, messages, smp
from protocol.errors import ProtocolError

# Counters are set aside on disk this many at a time: one flush per thousand requests, and at most
# this many skipped by a restart. 2**40 of them outlast any lamppost.
COUNTER_BLOCK = 1024
# A REPLAY answer is not sealed, so anyone on the line may forge one. Bounding the jump keeps a
# forger from using up the counters; a lamppost far ahead is reached in several jumps.
MOST_JUMP = 1 << 24


class Session:
    """Exchanges with the lamppost `node` (6 bytes) at `address`, sealed with `key`."""

    def __init__(
        self,
        node: bytes,
        address: int,
        key: bytes,
        key_id: int,
        line: Line,
        turns: Turns,
        state: State,
        attempts: int,
        log: Logger,
    ) -> None:
        self._node = node
        self._address = address
        self._key = key
        self._key_id = key_id
        self._line = line
        self._turns = turns
        self._state = state
        self._attempts = attempts
        self._log = log
        self._counter = 0
        self._reserved = 0
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
        just_before: called when the line is ours, before the first byte; may raise to give up.
        Raises NodeRefused, NoReply, PortUnavailable, SealBroken, BadReply, Unsettled.
        """
        async with self._turns.take(traffic):
            if just_before is not None:
                just_before()
            for _ in range(3):
                counter = await self._take_counter()
                sealed = envelope.seal(
                    self._key, self._key_id, self._node, envelope.TO_NODE, counter, message
                )
                outer = smp.pack(
                    smp.OP_WRITE, smp.GROUP_STREET, counter & 0xFF, messages.SEALED,
                    messages.sealed(sealed),
                )  # fmt: skip
                reply, repeated = await self._repeat(outer, attempts, patience_s)
                body = _reply_body(reply, smp.GROUP_STREET, messages.SEALED)
                refusal = smp.error_of(body)
                if refusal is None:
                    return self._open(body, counter, message)
                if refusal == (smp.GROUP_STREET, smp.STREET_ERR_SEAL):
                    self.broken_seals += 1
                    raise SealBroken("the lamppost cannot open our seal: another key, or damage")
                if refusal != (smp.GROUP_STREET, smp.STREET_ERR_REPLAY):
                    raise _refused(body)
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

        Raises NoReply, PortUnavailable.
        """
        async with self._turns.take(traffic):
            return (await self._repeat(message, attempts, patience_s))[0]

    async def _repeat(
        self, payload: bytes, attempts: int | None, patience_s: float
    ) -> tuple[bytes, bool]:
        sequence = self._line.next_sequence()
        most = attempts or self._attempts
        for attempt in range(1, most + 1):
            try:
                reply = await self._line.transact(self._address, sequence, payload, patience_s)
            except NoReply:
                if attempt == most:
                    raise
            else:
                return reply, attempt > 1
        raise NoReply("no attempt was made")

    async def _take_counter(self) -> int:
        if self._counter >= self._reserved:
            self._counter, self._reserved = await self._state.reserve_counters(
                self._node, self._counter, COUNTER_BLOCK
            )
        counter = self._counter
        self._counter += 1
        return counter

    def _jump(self, body: dict[str, Any], used: int) -> None:
        lowest = body.get("c")
        if not isinstance(lowest, int) or isinstance(lowest, bool) or lowest <= used:
            raise BadReply(f"refused as a replay, but {lowest!r} is not a higher counter")
        target = min(lowest, used + MOST_JUMP)
        self.jumps += 1
        self._log.info("sealing counter moved on", used=used, lowest=lowest, now=target)
        self._counter = max(self._counter, target)

    def _open(self, body: dict[str, Any], counter: int, request: bytes) -> dict[str, Any]:
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
        _, group, _, command, _, _ = smp.unpack_header(request)
        inner = _reply_body(plain, group, command)
        if smp.error_of(inner) is not None:
            raise _refused(inner)
        return inner


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

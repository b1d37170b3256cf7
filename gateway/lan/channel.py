"""A lamppost on the local network, as a channel."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Final

from gateway.errors import NoReply
from gateway.lampposts.channel import LinkKind
from gateway.lampposts.turns import Traffic, Turns
from gateway.lan.link import LanLink
from protocol.busframe import MAX_PAYLOAD

# Of an SMP header (protocol.smp.pack_header).
_SEQUENCE_AT = 6


class LanChannel:
    """The lamppost `node` (6 bytes) by way of `link`; one request of it under way at a time.

    reply_timeout_s: how long it may take to answer; attempts: at one request, where the request
    does not say otherwise.
    """

    def __init__(self, node: bytes, link: LanLink, reply_timeout_s: float, attempts: int) -> None:
        self.kind: Final[LinkKind] = "lan"
        self.mtu: Final = MAX_PAYLOAD
        self.node = node
        self._link = link
        self._reply_timeout = reply_timeout_s
        self._attempts = attempts
        self._turns = Turns()
        self._sequence = 0

    @property
    def available(self) -> bool:
        """Whether the broker is connected, and the lamppost to it."""
        return self._link.is_on(self.node)

    def turn(self, traffic: Traffic) -> AbstractAsyncContextManager[None]:
        """The lamppost, once those before have had it."""
        return self._turns.take(traffic)

    async def exchange(
        self, message: bytes, *, attempts: int | None = None, patience_s: float = 0
    ) -> tuple[bytes, bool]:
        """As Channel has it. Raises NoReply, LinkUnavailable, ProtocolError (no SMP message)."""
        # A reply to an earlier request may still come: each request has a sequence of its own, and
        # the reply is given back under the caller's.
        self._sequence = (self._sequence + 1) & 0xFF
        asked = _with_sequence(message, self._sequence)
        most = attempts or self._attempts
        for attempt in range(1, most + 1):
            try:
                reply = await self._link.request(self.node, asked, self._reply_timeout + patience_s)
            except NoReply:
                if attempt == most or not self.available:
                    raise
            else:
                return _with_sequence(reply, message[_SEQUENCE_AT]), attempt > 1
        raise NoReply("no attempt was made")


def _with_sequence(message: bytes, sequence: int) -> bytes:
    return message[:_SEQUENCE_AT] + bytes((sequence,)) + message[_SEQUENCE_AT + 1 :]

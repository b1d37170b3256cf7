"""A lamppost at an address of an RS-485 bus, as a channel."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Final

from gateway.bus.transaction import Line
from gateway.errors import NoReply
from gateway.lampposts.channel import LinkKind
from gateway.lampposts.turns import Traffic, Turns
from protocol.busframe import MAX_PAYLOAD


class BusChannel:
    """The lamppost at `address` of `line`, whose turns are given out by `turns`.

    attempts: at one request, where the request does not say otherwise.
    """

    def __init__(self, address: int, line: Line, turns: Turns, attempts: int) -> None:
        self.kind: Final[LinkKind] = "bus"
        self.mtu: Final = MAX_PAYLOAD
        self.address = address
        self._line = line
        self._turns = turns
        self._attempts = attempts

    @property
    def available(self) -> bool:
        """Whether the port is open."""
        return self._line.open

    def turn(self, traffic: Traffic) -> AbstractAsyncContextManager[None]:
        """The line, once those before have had it."""
        return self._turns.take(traffic)

    async def exchange(
        self, message: bytes, *, attempts: int | None = None, patience_s: float = 0
    ) -> tuple[bytes, bool]:
        """As Channel has it. Raises NoReply, LinkUnavailable, ProtocolError (too long)."""
        sequence = self._line.next_sequence()
        most = attempts or self._attempts
        for attempt in range(1, most + 1):
            try:
                reply = await self._line.transact(self.address, sequence, message, patience_s)
            except NoReply:
                if attempt == most:
                    raise
            else:
                return reply, attempt > 1
        raise NoReply("no attempt was made")

"""smpclient's transport over a lamppost's bus session, for messages that need no seal."""

from __future__ import annotations

from typing import Final

from smpclient.transport import SMPTransport

from gateway.bus.session import Session
from gateway.bus.turns import Traffic
from gateway.errors import BadReply
from protocol import smp
from protocol.busframe import MAX_PAYLOAD
from protocol.errors import ProtocolError


class BusTransport(SMPTransport):
    """Carries whole SMP messages in bus frames, one request and reply a turn of the line.

    patience_s: added to the bus's reply timeout. `last_reply` is the last message received.
    """

    def __init__(self, session: Session, patience_s: float = 0) -> None:
        self._session: Final = session
        self._patience: Final = patience_s
        self._pending = b""
        self.last_reply = b""

    async def connect(self, address: str, timeout_s: float) -> None:
        """The bus is always there; nothing to do."""

    async def disconnect(self) -> None:
        """Nothing to do."""

    async def send(self, data: bytes) -> None:
        """Keep the request; it goes out with `receive`, in the same turn of the line."""
        self._pending = data

    async def receive(self) -> bytes:
        """The reply to what was sent."""
        return await self.send_and_receive(self._pending)

    async def send_and_receive(self, data: bytes) -> bytes:
        """One exchange. Raises NoReply, PortUnavailable, and BadReply for what is no SMP message.

        smpclient trusts what comes over a transport; bytes from the bus are checked before.
        """
        reply = await self._session.ask_unsealed(data, Traffic.TRANSFER, patience_s=self._patience)
        try:
            smp.unpack(reply)
        except ProtocolError as error:
            raise BadReply(f"reply: {error}") from error
        self.last_reply = reply
        return reply

    def initialize(self, smp_server_transport_buffer_size: int) -> None:
        """Take the lamppost's buffer size (bytes), as far as a frame can carry it."""
        self._smp_server_transport_buffer_size = min(smp_server_transport_buffer_size, MAX_PAYLOAD)

    @property
    def mtu(self) -> int:
        """What one bus frame carries, bytes."""
        return MAX_PAYLOAD

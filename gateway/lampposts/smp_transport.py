"""smpclient's transport over a lamppost's session, for messages that need no seal."""

from __future__ import annotations

from typing import Final

from smpclient.transport import SMPTransport

from gateway.errors import BadReply
from gateway.lampposts.session import Session
from gateway.lampposts.turns import Traffic
from protocol import smp
from protocol.errors import ProtocolError


class SessionTransport(SMPTransport):
    """Carries whole SMP messages, one request and reply a turn of the link.

    patience_s: added to the link's reply timeout. `last_reply` is the last message received.
    """

    def __init__(self, session: Session, patience_s: float = 0) -> None:
        self._session: Final = session
        self._patience: Final = patience_s
        self._pending = b""
        self.last_reply = b""

    async def connect(self, address: str, timeout_s: float) -> None:
        """The link is made by others; nothing to do."""

    async def disconnect(self) -> None:
        """Nothing to do."""

    async def send(self, data: bytes) -> None:
        """Keep the request; it goes out with `receive`, in the same turn of the link."""
        self._pending = data

    async def receive(self) -> bytes:
        """The reply to what was sent."""
        return await self.send_and_receive(self._pending)

    async def send_and_receive(self, data: bytes) -> bytes:
        """One exchange. Raises NoReply, LinkUnavailable, and BadReply for what is no SMP message.

        smpclient trusts what comes over a transport; bytes from a link are checked before.
        """
        reply = await self._session.ask_unsealed(data, Traffic.TRANSFER, patience_s=self._patience)
        try:
            smp.unpack(reply)
        except ProtocolError as error:
            raise BadReply(f"reply: {error}") from error
        self.last_reply = reply
        return reply

    def initialize(self, smp_server_transport_buffer_size: int) -> None:
        """Take the lamppost's buffer size (bytes), as far as the link can carry it."""
        self._smp_server_transport_buffer_size = min(smp_server_transport_buffer_size, self.mtu)

    @property
    def mtu(self) -> int:
        """The largest message the link carries, bytes."""
        return self._session.route.best.mtu

"""smpclient's transport over a lamppost's session: what the client says and hears is sealed."""

from __future__ import annotations

from typing import Final

from smpclient.transport import SMPTransport

from gateway.errors import NodeRefused
from gateway.lampposts.session import Session
from gateway.lampposts.turns import Traffic
from protocol import envelope, smp

# A sealed message is the content, this much more and the two lines of SMP around it.
_SEALED_OVERHEAD = smp.HEADER_SIZE + 6 + envelope.OVERHEAD


class SessionTransport(SMPTransport):
    """Carries whole SMP messages, one sealed request and its reply a turn of the link.

    patience_s: added to the link's reply timeout. `refusal` is the last reply when it was one.
    """

    def __init__(self, session: Session, patience_s: float = 0) -> None:
        self._session: Final = session
        self._patience: Final = patience_s
        self._pending = b""
        self.refusal: NodeRefused | None = None

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
        """One exchange. Raises as Session.ask does, but for NodeRefused: that is a reply as well.

        The content of a seal is from the lamppost that has the key, and it is given to smpclient
        as it came but for the sequence, which the seal's counter stands for.
        """
        op, group, sequence, command, _, version = smp.unpack_header(data)
        self.refusal = None
        try:
            body = await self._session.ask(data, Traffic.TRANSFER, patience_s=self._patience)
        except NodeRefused as refused:
            self.refusal = refused
            if refused.group is None:
                body = {"rc": refused.code}
            else:
                body = smp.error(refused.group, refused.code)
        return smp.pack(op + 1, group, sequence, command, body, version)

    def initialize(self, smp_server_transport_buffer_size: int) -> None:
        """Take the lamppost's buffer size, bytes; the seal has to fit it too."""
        self._smp_server_transport_buffer_size = smp_server_transport_buffer_size

    @property
    def mtu(self) -> int:
        """The largest message the link carries, sealed, bytes."""
        return self._session.route.best.mtu

    @property
    def max_unencoded_size(self) -> int:
        """The largest message to be sealed, bytes; another one when the link has changed."""
        buffer = self._smp_server_transport_buffer_size or self.mtu
        return min(buffer, self.mtu) - _SEALED_OVERHEAD

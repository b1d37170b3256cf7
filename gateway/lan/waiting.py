"""A request over the local network that waits for its reply."""

from __future__ import annotations

import asyncio

from protocol import smp
from protocol.errors import ProtocolError


class Waiting:
    """Somebody who waits for the reply to `request`, an SMP message of ours."""

    def __init__(self, request: bytes) -> None:
        op, group, sequence, command, _, _ = smp.unpack_header(request)
        self._wanted = (op + 1, group, sequence, command)
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def answered_by(self, data: bytes) -> bool:
        """Whether `data` is what was waited for. Raises ProtocolError for what is no message."""
        op, group, sequence, command, length, _ = smp.unpack_header(data)
        if len(data) != smp.HEADER_SIZE + length:
            raise ProtocolError(f"SMP: {len(data)} bytes, header says {smp.HEADER_SIZE + length}")
        if (op, group, sequence, command) != self._wanted or self.reply.done():
            return False
        self.reply.set_result(data)
        return True

    def fail(self, error: Exception) -> None:
        """There will be no reply."""
        if not self.reply.done():
            self.reply.set_exception(error)

    def close(self) -> None:
        """Nobody waits any more."""
        if not self.reply.cancel() and not self.reply.cancelled():
            self.reply.exception()  # looked at, so that asyncio does not report it

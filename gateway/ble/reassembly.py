"""SMP messages out of notifications, as Zephyr's "SMP over Bluetooth" has them.

The first piece begins with the SMP header, which says how long the whole is; the others follow.
"""

from __future__ import annotations

from typing import Final

from protocol.busframe import MAX_PAYLOAD
from protocol.smp import HEADER_SIZE

# Pieces of one message follow one another: after such a gap (s) the next one begins a new message.
_GAP_S: Final = 2.0


class Reassembly:
    """Puts the messages of one peer together; never holds more than one of MAX_PAYLOAD bytes.

    `passed_over`: messages too long, cut off, or with bytes after their end.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        # Bytes still to come of a message that is passed over.
        self._skip = 0
        self._touched = 0.0
        self.passed_over = 0

    def feed(self, piece: bytes | bytearray, now: float) -> bytes | None:
        """Take a notification; gives the message that it completes. now: machine time, s."""
        if (self._pending or self._skip) and now - self._touched >= _GAP_S:
            self.clear()
        self._touched = now
        if self._skip:
            self._skip = max(0, self._skip - len(piece))
            return None
        self._pending += piece
        if len(self._pending) < HEADER_SIZE:
            return None
        size = HEADER_SIZE + int.from_bytes(self._pending[2:4], "big")
        if size > MAX_PAYLOAD:
            self._skip = max(0, size - len(self._pending))
            self._drop()
            return None
        if len(self._pending) < size:
            return None
        if len(self._pending) > size:
            # A lamppost begins each reply in a notification of its own.
            self._drop()
            return None
        message = bytes(self._pending)
        self._pending.clear()
        return message

    def clear(self) -> None:
        """What has come so far belongs to nothing that is still waited for."""
        if self._pending:
            self._drop()
        self._skip = 0

    def _drop(self) -> None:
        self.passed_over += 1
        self._pending.clear()

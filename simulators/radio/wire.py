"""What a node's ``bluetooth`` module and the street's radio say to each other.

Frames both ways on the node's connection ``ble``: kind (1 byte), length of the body (2), body; all
little endian. The node asks, and each request is answered by one REPLY; between the replies come
the events, whose kinds are MicroPython's interrupt numbers. The radio begins with HELLO.
``simulators/node_side/bluetooth.py`` is the other end.
"""

import struct
from enum import IntEnum

HEAD = struct.Struct("<BH")
HANDLE = struct.Struct("<H")
HANDLES = struct.Struct("<HH")
ADVERT = struct.Struct("<IBB")
PEER = struct.Struct("<HB6s")


class Request(IntEnum):
    """Kinds from the node, with their bodies."""

    ACTIVE = 1  # 0 or 1
    CONFIGURE = 2  # MTU (2), name
    SERVICES = 3  # JSON: [[UUID, [[UUID, flags], ..]], ..]; reply: a handle (2) each
    ADVERTISE = 4  # interval in us (4), connectable (1), length of the advert (1), it, the response
    QUIET = 5
    NOTIFY = 6  # connection (2), handle (2), value
    DISCONNECT = 7  # connection (2); reply: 1 when there was one


class Event(IntEnum):
    """Kinds to the node, with their bodies."""

    REPLY = 0  # errno (1), what the request asked for
    CENTRAL_CONNECT = 1  # connection (2), address type (1), address (6)
    CENTRAL_DISCONNECT = 2  # as above
    GATTS_WRITE = 3  # connection (2), handle (2), value
    MTU_EXCHANGED = 21  # connection (2), MTU (2)
    HELLO = 255  # address type (1), address (6)


def frame(kind: Event, body: bytes = b"") -> bytes:
    """The bytes of one frame to the node."""
    return HEAD.pack(kind, len(body)) + body


class Frames:
    """Takes bytes as they come and gives whole frames."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(kind, body) of each frame that ``data`` completes."""
        pending = self._pending + data
        found: list[tuple[int, bytes]] = []
        at = 0
        while len(pending) >= at + HEAD.size:
            kind, length = HEAD.unpack_from(pending, at)
            end = at + HEAD.size + length
            if len(pending) < end:
                break
            found.append((kind, pending[at + HEAD.size : end]))
            at = end
        self._pending = pending[at:]
        return found

"""Frames on the RS-485 bus.

    00  COBS( address u8, control u8, sequence u8, payload, CRC-32 little endian )  00

The address names the lamppost in both directions: the gateway is the only master, so a response
carries its sender. The sequence of a response is that of its request. The CRC is that of IEEE 802.3
(`binascii.crc32`) over everything before it. The zero in front ends whatever noise the idle line
made, so the first frame after a quiet spell is not lost with it.

To ask 128 lampposts one by one whether somebody came by takes seconds, so the master also calls all
at once: CALL, to everyone, is answered by nobody but those who saw somebody of whom it has not
heard. Several who answer garble each other, and the master then calls again with the half of the
addresses that end in 0 and the half that end in 1, then a quarter of them each, until one is alone:
the query tree of RFID readers (Law, Lee and Siu, 2000), lowest bit first, since neighbours see the
same person and mostly have addresses that follow each other. Neither is sealed: what a forger can
do by them is light lamps that are lit already a little brighter.

    CALL        mask u8, value u8: for addresses with address & mask == value; then u8 each the
                addresses whose answer to the call before was heard; BROADCAST_ADDRESS when the
                master begins to call: what was before is not asked for
    CALL_REPLY  u8: how often it saw somebody since it started, of which these are the low bits
"""

from binascii import crc32

from . import cobs
from .errors import ProtocolError

MASTER = 0
FIRST_ADDRESS = 1
LAST_ADDRESS = 247
BROADCAST_ADDRESS = 255

REQUEST = 0x00
BROADCAST = 0x01
CALL = 0x02
RESPONSE = 0x80
CALL_REPLY = 0x82
_CONTROLS = (REQUEST, BROADCAST, CALL, RESPONSE, CALL_REPLY)

# Holds 1 KiB of records or image with its SMP header and seal; a node keeps two such buffers.
MAX_PAYLOAD = 1200
OVERHEAD = 7
_MAX_BODY = MAX_PAYLOAD + OVERHEAD
_MAX_STUFFED = _MAX_BODY + _MAX_BODY // 254 + 1


def encode(
    address: int, control: int, sequence: int, payload: "bytes | bytearray | memoryview"
) -> bytes:
    """One frame with its delimiters, ready for the line.

    address 0..255, control one of the five above, sequence 0..255, payload of at most MAX_PAYLOAD
    bytes. Raises ProtocolError beyond these.
    """
    if not 0 <= address <= 255 or not 0 <= sequence <= 255:
        raise ProtocolError("bus frame: address and sequence must be 0 to 255")
    if control not in _CONTROLS:
        raise ProtocolError(f"bus frame: unknown control {control!r}")
    if len(payload) > MAX_PAYLOAD:
        raise ProtocolError(
            "bus frame: payload of %d bytes, at most %d" % (len(payload), MAX_PAYLOAD)
        )
    body = bytes((address, control, sequence)) + bytes(payload)
    body += crc32(body).to_bytes(4, "little")
    return b"\0" + cobs.encode(body) + b"\0"


def call_payload(mask: int, value: int, heard: bytes = b"") -> bytes:
    """What a CALL carries: `mask` and `value` 0..255, `heard` an address a byte."""
    return bytes((mask, value)) + heard


def parse_call(payload: bytes, address: int) -> "tuple[bool, bool, bool]":
    """What a CALL's payload says to the lamppost at `address`.

    (whether it is asked, whether its last answer was heard, whether the master begins to call and
    wants nothing of what was before); nothing of it when the payload is too short.
    """
    if len(payload) < 2:
        return False, False, False
    heard = payload[2:]
    return address & payload[0] == payload[1], address in heard, BROADCAST_ADDRESS in heard


def line_bytes(payload_size: int) -> int:
    """Most bytes a frame with `payload_size` bytes of payload takes on the line."""
    body = payload_size + OVERHEAD
    return body + body // 254 + 1 + 2


class Deframer:
    """Takes bytes as they come and gives whole frames; every rejection is counted, none raises.

    Memory is bounded: a frame longer than the largest valid one is dropped up to its delimiter.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.rejected_length = 0
        self.rejected_cobs = 0
        self.rejected_crc = 0
        self._pending = bytearray()
        # True while the bytes of an over-long frame are thrown away.
        self._skipping = False

    @property
    def rejected(self) -> int:
        """Frames refused so far, whatever the reason."""
        return self.rejected_length + self.rejected_cobs + self.rejected_crc

    @property
    def pending(self) -> bool:
        """Whether a frame has begun whose end has not come."""
        return bool(self._pending) or self._skipping

    def feed(self, data: "bytes | bytearray | memoryview") -> "list[tuple[int, int, int, bytes]]":
        """Frames completed by bytes-like `data`: (address, control, sequence, payload) each."""
        data = bytes(data)
        frames: list[tuple[int, int, int, bytes]] = []
        at = 0
        while True:
            zero = data.find(b"\0", at)
            end = len(data) if zero < 0 else zero
            self._keep(data, at, end)
            if zero < 0:
                return frames
            frame = self._finish()
            if frame is not None:
                frames.append(frame)
            at = zero + 1

    def _keep(self, data: bytes, start: int, end: int) -> None:
        if self._skipping or start == end:
            return
        if len(self._pending) + end - start > _MAX_STUFFED:
            self._skipping = True
            self._pending = bytearray()
            return
        self._pending.extend(data[start:end])

    def _finish(self) -> "tuple[int, int, int, bytes] | None":
        stuffed = self._pending
        self._pending = bytearray()
        if self._skipping:
            self._skipping = False
            self.rejected_length += 1
            return None
        if not stuffed:
            return None
        try:
            body = cobs.decode(stuffed)
        except ProtocolError:
            self.rejected_cobs += 1
            return None
        if not OVERHEAD <= len(body) <= _MAX_BODY:
            self.rejected_length += 1
            return None
        if crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
            self.rejected_crc += 1
            return None
        control = body[1]
        if control not in _CONTROLS:
            self.rejected_length += 1
            return None
        self.accepted += 1
        return body[0], control, body[2], body[3:-4]

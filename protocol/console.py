"""SMP over a serial console, as MCUmgr frames it, so that standard clients work.

A message becomes a packet: length u16 (of the message and its CRC), message, CRC-16/XMODEM of the
message, both big endian. The packet is sent as base64 in lines of at most 127 bytes: the first
begins 06 09, the others 04 14, each ends with a line feed. Text between lines is a shell's and is
passed over.
"""

from binascii import a2b_base64, b2a_base64

from .errors import ProtocolError

MAX_LINE = 127
MAX_MESSAGE = 2048

_START = b"\x06\x09"
_CONTINUE = b"\x04\x14"
# base64 characters in a line: 127 less two bytes of marker and the line feed, in whole quanta of 4.
_TEXT_PER_LINE = (MAX_LINE - 3) // 4 * 4
_BYTES_PER_LINE = _TEXT_PER_LINE // 4 * 3


def _crc_table() -> "tuple[int, ...]":
    table: list[int] = []
    for index in range(16):
        crc = index << 12
        for _ in range(4):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        table.append(crc & 0xFFFF)
    return tuple(table)


# Half a byte at a time: 16 entries instead of 256 in the node's memory.
_CRC = _crc_table()


def crc16(data: "bytes | bytearray | memoryview", crc: int = 0) -> int:
    """CRC-16/XMODEM: polynomial 0x1021, initial value 0 ("123456789" gives 0x31C3)."""
    table = _CRC
    for byte in data:
        crc = (crc << 4 & 0xFFFF) ^ table[crc >> 12 ^ byte >> 4]
        crc = (crc << 4 & 0xFFFF) ^ table[crc >> 12 ^ byte & 15]
    return crc


def encode(message: "bytes | bytearray | memoryview") -> bytes:
    """The lines that carry one SMP message. Raises ProtocolError beyond MAX_MESSAGE bytes."""
    if len(message) > MAX_MESSAGE:
        raise ProtocolError(
            "console: message of %d bytes, at most %d" % (len(message), MAX_MESSAGE)
        )
    packet = (
        (len(message) + 2).to_bytes(2, "big") + bytes(message) + crc16(message).to_bytes(2, "big")
    )
    out = bytearray()
    for at in range(0, len(packet), _BYTES_PER_LINE):
        out.extend(_CONTINUE if at else _START)
        # b2a_base64 ends its text with the line feed the framing wants.
        out.extend(b2a_base64(packet[at : at + _BYTES_PER_LINE]))
    return bytes(out)


class Deframer:
    """Takes console bytes as they come and gives whole SMP messages; rejections are counted."""

    def __init__(self) -> None:
        self.accepted = 0
        self.rejected = 0
        self._line = bytearray()
        self._skipping = False
        # None while no packet is under way, else its bytes so far.
        self._packet: bytearray | None = None

    def feed(self, data: "bytes | bytearray | memoryview") -> "list[bytes]":
        """Messages (bytes) completed by bytes-like `data`."""
        data = bytes(data)
        messages: list[bytes] = []
        at = 0
        while True:
            feed = data.find(b"\n", at)
            end = len(data) if feed < 0 else feed
            if not self._skipping:
                self._line.extend(data[at:end])
                # Some clients fill lines fully; a line far beyond that is no frame of ours.
                if len(self._line) > 2 * MAX_LINE:
                    self._skipping = True
                    self._line = bytearray()
            if feed < 0:
                return messages
            line = self._line
            self._line = bytearray()
            if self._skipping:
                self._skipping = False
            else:
                message = self._take(bytes(line))
                if message is not None:
                    messages.append(message)
            at = feed + 1

    def _take(self, line: bytes) -> "bytes | None":
        # A prompt or log text may stand in front of the marker on the same line.
        start = line.find(_START)
        if start >= 0:
            if self._packet is not None:
                self.rejected += 1
            packet = bytearray()
            text = line[start + 2 :]
        else:
            start = line.find(_CONTINUE)
            if start < 0:
                return None
            packet = self._packet
            if packet is None:
                self.rejected += 1
                return None
            text = line[start + 2 :]
        try:
            packet.extend(a2b_base64(text))
        except ValueError:
            return self._reject()
        self._packet = packet
        return self._complete()

    def _complete(self) -> "bytes | None":
        packet = self._packet
        if packet is None or len(packet) < 2:
            return None
        size = packet[0] << 8 | packet[1]
        if size < 2 or size > MAX_MESSAGE + 2 or len(packet) > size + 2:
            return self._reject()
        if len(packet) < size + 2:
            return None
        message = bytes(packet[2:-2])
        if crc16(message) != packet[-2] << 8 | packet[-1]:
            return self._reject()
        self._packet = None
        self.accepted += 1
        return message

    def _reject(self) -> None:
        self._packet = None
        self.rejected += 1
        return None

"""The files of the node's log: frames, segments, and the small tail in front of them.

A segment is a file of frames, little endian:

    u16 type << 14 | size of the body,  u32 CRC-32,  body

- type 0, a record: the body is the record. Its CRC also covers the frame's size and the record's
  epoch and sequence, which are not stored: each record follows the one before.
- type 1, a position: u32 epoch, u32 sequence of the next record, wherever that does not follow.
- type 2, the header each segment begins with: u32 epoch, u32 sequence of the next record, u32
  number of records ever moved to segments before it, u32 epoch, u32 sequence of the last of them.

So the start of each segment tells where the one before ends and how many records that holds, and a
start of the node reads one header per segment and only the newest segment whole.
"""

import struct
from binascii import crc32

RECORD = 0
POSITION = 1
HEADER = 2

FRAME_HEAD = 6
HEADER_SIZE = FRAME_HEAD + 20
_SIZE_MASK = 0x3FFF
# Bodies above this are no frame of ours.
_MAX_BODY = 64


def record_frame(epoch, sequence, body) -> bytes:
    """The frame of one record."""
    return struct.pack("<HI", len(body), _record_crc(epoch, sequence, body)) + body


def position_frame(epoch, sequence) -> bytes:
    """The frame that says where the next record stands."""
    return _marker(POSITION, struct.pack("<II", epoch, sequence))


def header_frame(epoch, sequence, ordinal, last_epoch, last_sequence) -> bytes:
    """The frame a segment begins with."""
    return _marker(
        HEADER, struct.pack("<IIIII", epoch, sequence, ordinal, last_epoch, last_sequence)
    )


def frames(entries, expected) -> bytes:
    """The frames of `entries`, (epoch, sequence, body) each.

    expected: the (epoch, sequence) that would follow where they go, None at the start of a file.
    """
    out = bytearray()
    for epoch, sequence, body in entries:
        if expected != (epoch, sequence):
            out.extend(position_frame(epoch, sequence))
        out.extend(record_frame(epoch, sequence, body))
        expected = (epoch, sequence + 1)
    return bytes(out)


def parse_header(data):
    """(epoch, sequence, ordinal, last epoch, last sequence) of a segment's first bytes, or None."""
    if len(data) < HEADER_SIZE:
        return None
    word, crc = struct.unpack("<HI", data[:FRAME_HEAD])
    body = bytes(data[FRAME_HEAD:HEADER_SIZE])
    if word != HEADER << 14 | 20 or crc != _marker_crc(word, body):
        return None
    return struct.unpack("<IIIII", body)


class Reader:
    """Walks the records of an open binary file, from a frame whose record is (epoch, sequence).

    A record whose CRC is wrong is passed over and counted in `damaged`; a frame that cannot be one
    ends the walk, with `torn` set.

    offset: where the next frame begins. epoch, sequence: the record that would follow there.
    passed: records before it in this file.
    """

    def __init__(self, file, offset=0, epoch=0, sequence=0, passed=0):
        self._file = file
        file.seek(offset)
        self.offset = offset
        self.epoch = epoch
        self.sequence = sequence
        self.passed = passed
        self.damaged = 0
        self.torn = False

    def next(self):
        """The next record as (epoch, sequence, body), None at the end."""
        while True:
            head = self._file.read(FRAME_HEAD)
            if not head:
                return None
            if len(head) < FRAME_HEAD:
                return self._tear()
            word, crc = struct.unpack("<HI", head)
            kind = word >> 14
            size = word & _SIZE_MASK
            if not 0 < size <= _MAX_BODY or kind > HEADER:
                return self._tear()
            body = self._file.read(size)
            if len(body) < size:
                return self._tear()
            if kind != RECORD:
                # Without its position nothing after it has one.
                if crc != _marker_crc(word, body):
                    return self._tear()
                self.epoch, self.sequence = struct.unpack("<II", body[:8])
                self.offset += FRAME_HEAD + size
                continue
            self.offset += FRAME_HEAD + size
            sequence = self.sequence
            self.sequence += 1
            self.passed += 1
            if crc == _record_crc(self.epoch, sequence, body):
                return self.epoch, sequence, body
            self.damaged += 1

    def _tear(self):
        self.torn = True
        return None


def _marker(kind, body):
    word = kind << 14 | len(body)
    return struct.pack("<HI", word, _marker_crc(word, body)) + body


def _marker_crc(word, body):
    return crc32(body, crc32(struct.pack("<H", word)))


def _record_crc(epoch, sequence, body):
    return crc32(body, crc32(struct.pack("<HII", len(body), epoch, sequence)))

import struct

from protocol import image
from protocol.errors import ProtocolError
from tests.both.check import Random, raises

HEADER = struct.pack("<IIHHIIBBHII", image.MAGIC, 0, 32, 20, 5000, 0, 1, 2, 3, 4, 0)


def _area(magic, *entries):
    body = b""
    for kind, value in entries:
        body += struct.pack("<HH", kind, len(value)) + value
    return struct.pack("<HH", magic, len(body) + 4) + body


def test_reads_a_header():
    assert image.parse_header(HEADER) == (32, 5000, 20, (1, 2, 3, 4))


def test_refuses_an_impossible_header():
    for at, value in ((0, 1), (9, 0xFF), (15, 0xFF), (11, 0xFF)):
        broken = bytearray(HEADER)
        broken[at] ^= value
        raises(ProtocolError, image.parse_header, bytes(broken))
    raises(ProtocolError, image.parse_header, HEADER[:31])


def test_reads_tlvs_and_finds_each_once():
    area = _area(image.TLV_MAGIC, (image.TLV_SHA256, bytes(32)), (image.TLV_BOARD, b"esp"))
    entries = image.parse_tlvs(area + b"more", image.TLV_MAGIC)
    assert image.find(entries, image.TLV_BOARD) == b"esp"
    assert image.find(entries, 0x99) is None
    raises(ProtocolError, image.find, entries + entries, image.TLV_BOARD)


def test_refuses_tlvs_that_do_not_fill_their_area():
    area = _area(image.TLV_MAGIC, (image.TLV_SHA256, bytes(32)))
    raises(ProtocolError, image.parse_tlvs, area, image.TLV_PROTECTED_MAGIC)
    for size in range(len(area)):
        raises(ProtocolError, image.parse_tlvs, area[:size], image.TLV_MAGIC)
    for at in (2, 6):
        for step in (1, 2, 255):
            broken = bytearray(area)
            broken[at] = (broken[at] + step) & 0xFF
            raises(ProtocolError, image.parse_tlvs, bytes(broken), image.TLV_MAGIC)


def test_the_payload_description_comes_back():
    data = image.payload_description(70000, bytes(32))
    assert image.parse_payload_description(data) == (70000, bytes(32))
    raises(ProtocolError, image.parse_payload_description, b"\xa0")
    raises(ProtocolError, image.parse_payload_description, image.payload_description(0, bytes(32)))
    raises(ProtocolError, image.parse_payload_description, image.payload_description(9, bytes(31)))


def test_any_bytes_give_tlvs_or_a_protocol_error():
    random = Random(23)
    for _ in range(1000):
        data = struct.pack("<HH", image.TLV_MAGIC, random.below(64)) + random.bytes(60)
        try:
            image.parse_tlvs(data, image.TLV_MAGIC)
        except ProtocolError:
            continue

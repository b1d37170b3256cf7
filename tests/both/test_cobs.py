from protocol import cobs
from protocol.errors import ProtocolError
from tests.both.check import Random, raises


def test_follows_the_paper():
    for plain, stuffed in (
        (b"", b"\x01"),
        (b"\0", b"\x01\x01"),
        (b"\0\0", b"\x01\x01\x01"),
        (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
        (b"\x11\0\0\0", b"\x02\x11\x01\x01\x01"),
    ):
        assert cobs.encode(plain) == stuffed
        assert cobs.decode(stuffed) == plain


def test_runs_at_the_limit_of_254():
    for size in (253, 254, 255, 508, 509):
        for plain in (b"\1" * size, b"\1" * size + b"\0", b"\0" + b"\1" * size, bytes(size)):
            stuffed = cobs.encode(plain)
            assert 0 not in stuffed
            assert len(stuffed) <= len(plain) + len(plain) // 254 + 1
            assert cobs.decode(stuffed) == plain


def test_any_bytes_come_back():
    random = Random(3)
    for _ in range(300):
        plain = bytes([max(0, random.below(40) - 20) for _ in range(random.below(700))])
        assert cobs.decode(cobs.encode(plain)) == plain


def test_refuses_what_encode_never_makes():
    for data in (b"", b"\0", b"\x02\0", b"\x03\x11", b"\xff\x01"):
        raises(ProtocolError, cobs.decode, data)

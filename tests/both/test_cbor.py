from protocol import cbor
from protocol.errors import ProtocolError
from tests.both.check import Random, raises

# RFC 8949, appendix A.
EXAMPLES = (
    (0, "00"),
    (23, "17"),
    (24, "1818"),
    (1000, "1903e8"),
    (1000000, "1a000f4240"),
    (1000000000000, "1b000000e8d4a51000"),
    (18446744073709551615, "1bffffffffffffffff"),
    (-1, "20"),
    (-1000, "3903e7"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (b"\x01\x02\x03\x04", "4401020304"),
    ("IETF", "6449455446"),
    ("\u6c34", "63e6b0b4"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    ({"a": 1}, "a1616101"),
    ([], "80"),
)


def test_follows_the_examples_of_the_rfc():
    for value, text in EXAMPLES:
        data = bytes.fromhex(text)
        assert cbor.dumps(value) == data, value
        assert cbor.loads(data) == value, text


def test_reads_indefinite_maps_and_arrays():
    assert cbor.loads(bytes.fromhex("bf6161019f0203ffff".replace("9f", "61629f"))) == {
        "a": 1,
        "b": [2, 3],
    }


def test_refuses_what_is_outside_the_subset():
    for text in (
        "",  # nothing
        "18",  # head cut short
        "6261",  # text cut short
        "61ff",  # not UTF-8
        "f93c00",  # float
        "c11a514b67b0",  # tag
        "5f42010243030405ff",  # indefinite-length string
        "1c",  # reserved
        "0000",  # two values
        "9bffffffffffffffff",  # an array of 2**64 - 1 items
        "5bffffffffffffffff",  # a string of 2**64 - 1 bytes
        "3bffffffffffffffff",  # below -2**63
        "a2616101616102",  # one key twice
        "a1f601",  # a key that is null
        "a1416101",  # a key that is a byte string
        "9f01",  # no end
        "ff",  # an end alone
        "818181818181818181818180",  # too deep
    ):
        raises(ProtocolError, cbor.loads, bytes.fromhex(text))


def test_refuses_to_write_what_it_could_not_read():
    deep = []
    for _ in range(20):
        deep = [deep]
    for value in (1.5, 1 << 64, -(1 << 63) - 1, deep, object()):
        raises(ProtocolError, cbor.dumps, value)


def test_any_bytes_give_a_value_or_a_protocol_error():
    random = Random(7)
    values = 0
    for _ in range(3000):
        data = random.bytes(random.below(24))
        try:
            cbor.loads(data)
            values += 1
        except ProtocolError:
            continue
    assert values > 10

from binascii import b2a_base64

from protocol import cbor, network
from protocol.errors import ProtocolError
from tests.both.check import Random, raises

# As much of a certificate as is looked at: a sequence with its length.
DER = b"\x30\x82\x01\x00" + bytes(range(256))


def _pem(der):
    text = b2a_base64(der).strip()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    begin = b"-----BEGIN CERTIFICATE-----\n"
    return begin + b"\n".join(lines) + b"\n-----END CERTIFICATE-----\n"


def test_a_document_comes_back_with_its_defaults():
    assert network.parse(network.document("10.0.0.2")) == {
        "h": "10.0.0.2",
        "p": 1883,
        "s": "",
        "k": "",
        "t": 0,
        "c": b"",
        "u": "",
        "w": "",
        "n": "10.0.0.2",
    }
    assert network.parse(
        network.document(
            "cabinet.local", 8884, "street", "lamplight", DER, "lamp", "word", "cabinet.test"
        )
    ) == {
        "h": "cabinet.local",
        "p": 8884,
        "s": "street",
        "k": "lamplight",
        "t": 1,
        "c": DER,
        "u": "lamp",
        "w": "word",
        "n": "cabinet.test",
    }


def test_pem_becomes_der_on_either_side():
    assert network.parse(network.document("h", authority=_pem(DER)))["c"] == DER
    assert network.parse(cbor.dumps({"h": "h", "t": 1, "c": _pem(DER)}))["c"] == DER
    assert network.parse(network.document("h", authority=DER))["p"] == 8883


def test_what_anybody_may_read_has_no_secrets():
    values = network.parse(
        network.document("h", None, "street", "lamplight", DER, "lamp", "word of honour")
    )
    public = network.public(values)
    for secret in (b"lamplight", b"word of honour", DER[4:20]):
        assert secret not in public
    assert cbor.loads(public)["s"] == "street"
    assert len(cbor.loads(public)["c"]) == 8


def test_wrong_fields_are_named_and_secrets_never_quoted():
    for body, words in (
        ([], "expected a map"),
        ({}, "field h"),
        ({"h": "a b"}, "fields h, n"),
        ({"h": "h", "p": 0}, "field p"),
        ({"h": "h", "p": 65536}, "field p"),
        ({"h": "h", "s": "x" * 33}, "field s"),
        ({"h": "h", "k": "short"}, "field k"),
        ({"h": "h", "k": "lamplight"}, "field k"),
        ({"h": "h", "s": "s", "k": "lamp\nlight"}, "field k"),
        ({"h": "h", "w": "secret"}, "field w"),
        ({"h": "h", "t": 2}, "field t"),
        ({"h": "h", "t": 1}, "field c"),
        ({"h": "h", "c": "text"}, "field c"),
        ({"h": "h", "c": DER[:-1]}, "field c"),
        ({"h": "h", "c": b"-----BEGIN CERTIFICATE-----\n????"}, "field c"),
        ({"h": "h", "c": _pem(DER)[:-20]}, "field c"),
        ({"h": "h", "x": 1}, "no such field"),
    ):
        said = raises(ProtocolError, network.parse, cbor.dumps(body))
        assert words in said, said
        assert "secret" not in said
        assert "lamp" not in said
    assert "at most 1024" in raises(ProtocolError, network.parse, bytes(1025))
    large = b"\x30\x82\x04\x00" + bytes(1024)
    raises(ProtocolError, network.document, "h", None, None, None, large)


def test_any_bytes_give_a_document_or_a_protocol_error():
    random = Random(23)
    good = network.document("10.0.0.2", 1884, "street", "lamplight", DER[:4] + DER[4:], "u", "w")
    taken = 0
    for _ in range(2000):
        data = bytearray(good)
        for _ in range(1 + random.below(3)):
            data[random.below(len(data))] = random.below(256)
        try:
            values = network.parse(bytes(data))
        except ProtocolError:
            continue
        taken += 1
        assert len(values["h"]) < 64
        assert 0 < values["p"] < 65536
    assert taken > 0

"""BTHome service data, and AES-CCM with tags other than our own."""

from protocol import bthome, ccm
from protocol.errors import ProtocolError

from .check import raises

# The example of bthome.io/encryption.
KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
ADDRESS = bytes.fromhex("5448e68f80a5")
OBJECTS = bytes.fromhex("02ca0903bf13")
COUNTER = int.from_bytes(bytes.fromhex("00112233"), "little")
SEALED = bytes.fromhex("d2fc41a47266c95f730011223378237214")


def test_the_published_example_comes_out():
    assert bthome.seal(KEY, ADDRESS, COUNTER, OBJECTS) == SEALED


def test_objects_are_packed_as_published():
    packed = bthome.pack(bthome.TEMPERATURE, 2506) + bthome.pack(bthome.HUMIDITY, 5055)
    assert packed == OBJECTS
    assert bthome.pack(bthome.TEMPERATURE, -1) == b"\x02\xff\xff"
    assert bthome.pack(bthome.ENERGY, 0x01020304) == b"\x4d\x04\x03\x02\x01"


def test_a_value_beyond_its_bounds_becomes_the_nearest():
    assert bthome.pack(bthome.PM25, 70000) == b"\x0d\xff\xff"
    assert bthome.pack(bthome.PM25, -3) == b"\x0d\0\0"
    assert bthome.pack(bthome.TEMPERATURE, 40000) == b"\x02\xff\x7f"
    assert bthome.pack(bthome.TEMPERATURE, -40000) == b"\x02\x00\x80"


def test_a_bind_key_tells_nothing_of_another():
    node = bytes(range(6))
    assert bthome.bind_key(KEY, node) == bytes.fromhex("4e02ea1ee2e1881462739ef5d274b310")
    others = (bthome.bind_key(KEY, bytes(6)), bthome.bind_key(bytes(16), node))
    assert bthome.bind_key(KEY, node) not in others
    assert "16 bytes" in raises(ProtocolError, bthome.bind_key, KEY[1:], node)


def test_what_does_not_fit_an_advert_is_refused():
    assert len(bthome.seal(KEY, ADDRESS, bthome.MAX_COUNTER, bytes(15))) == 31 - 3 - 2
    raises(ProtocolError, bthome.seal, KEY, ADDRESS, 0, bytes(16))
    raises(ProtocolError, bthome.seal, KEY, ADDRESS, bthome.MAX_COUNTER + 1, OBJECTS)
    raises(ProtocolError, bthome.seal, KEY, ADDRESS[1:], 0, OBJECTS)


# RFC 3610, packet vectors 1 (8-byte tag) and 7 (10-byte tag).
def test_the_tag_has_the_length_asked_for():
    key = bytes(range(0xC0, 0xD0))
    nonce = bytes.fromhex("00000009080706a0a1a2a3a4a5")
    text = bytes(range(8, 0x20))
    sealed = bytes.fromhex("0135d1b2c95f41d5d1d4fec185d166b8094e999dfed96c048c56602c97acbb7490")
    assert ccm.encrypt(key, nonce, text[:-1], bytes(range(8)), 10) == sealed
    assert ccm.decrypt(key, nonce, sealed, bytes(range(8)), 10) == text[:-1]
    assert ccm.decrypt(key, nonce, sealed[:-1] + b"\0", bytes(range(8)), 10) is None
    for size in (4, 6, 8, 10, 12, 14, 16):
        sealed = ccm.encrypt(key, nonce, text, b"", size)
        assert len(sealed) == len(text) + size
        assert ccm.decrypt(key, nonce, sealed, b"", size) == text
        assert ccm.decrypt(key, nonce, sealed, b"\0", size) is None
    for size in (0, 2, 5, 18):
        raises(ProtocolError, ccm.encrypt, key, nonce, text, b"", size)

from protocol import cbor, ccm, envelope
from protocol.errors import ProtocolError
from tests.both.check import Random, raises

KEY = bytes(range(16))
NODE = b"\xa0\xb1\xc2\xd3\xe4\xf5"
CCM_ANSWER = "69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc478dc99dbb5cbcbd0"


def test_ccm_agrees_with_a_fixed_answer():
    # Made once with an independent AES-CCM (OpenSSL), L = 2, M = 8.
    key, nonce = bytes(range(0x40, 0x50)), bytes(range(0x10, 0x1D))
    sealed = ccm.encrypt(key, nonce, bytes(range(0x20, 0x38)), bytes(range(20)))
    assert sealed == bytes.fromhex(CCM_ANSWER)


def test_ccm_opens_every_size_it_seals():
    for size in (0, 1, 15, 16, 17, 31, 32, 33, 255, 1199):
        plain = bytes([index & 0xFF for index in range(size)])
        for aad in (b"", b"a", bytes(14), bytes(15)):
            sealed = ccm.encrypt(KEY, bytes(13), plain, aad)
            assert len(sealed) == size + ccm.TAG_SIZE
            assert ccm.decrypt(KEY, bytes(13), sealed, aad) == plain
            assert ccm.decrypt(KEY, bytes(13), sealed, aad + b"x") is None


def test_the_envelope_is_a_cose_encrypt0():
    sealed = envelope.seal(KEY, 7, NODE, envelope.TO_NODE, 258, b"level 50")
    protected, header, ciphertext = cbor.loads(sealed)
    assert cbor.loads(protected) == {1: 10}
    assert header == {4: b"\x07", 6: b"\0\0\0\x01\x02"}
    assert len(ciphertext) == 8 + ccm.TAG_SIZE


def test_overhead_is_what_the_frame_budget_assumes():
    for size in (256, 1199):
        sealed = envelope.seal(KEY, 1, NODE, envelope.TO_NODE, 1, bytes(size))
        assert len(sealed) - size == envelope.OVERHEAD


def test_opens_only_with_its_key_node_and_direction():
    sealed = envelope.seal(KEY, 1, NODE, envelope.TO_NODE, 5, b"level 50")
    keys = {1: KEY}
    assert envelope.open_sealed(keys, NODE, envelope.TO_NODE, sealed) == (b"level 50", 1, 5)
    raises(ProtocolError, envelope.open_sealed, keys, NODE, envelope.FROM_NODE, sealed)
    raises(ProtocolError, envelope.open_sealed, keys, b"other!", envelope.TO_NODE, sealed)
    raises(ProtocolError, envelope.open_sealed, {1: bytes(16)}, NODE, envelope.TO_NODE, sealed)
    raises(ProtocolError, envelope.open_sealed, {2: KEY}, NODE, envelope.TO_NODE, sealed)


def test_every_flipped_bit_is_refused():
    sealed = envelope.seal(KEY, 1, NODE, envelope.TO_NODE, 5, b"level 50")
    for bit in range(8 * len(sealed)):
        broken = bytearray(sealed)
        broken[bit // 8] ^= 1 << bit % 8
        raises(ProtocolError, envelope.open_sealed, {1: KEY}, NODE, envelope.TO_NODE, bytes(broken))


def test_any_bytes_in_only_a_protocol_error_out():
    random = Random(13)
    for _ in range(500):
        data = random.bytes(random.below(60))
        if random.below(2):
            parts = [b"\xa1\x01\x0a", {4: random.bytes(random.below(3)), 6: random.bytes(5)}, data]
            data = cbor.dumps(parts[: random.below(4)])
        raises(ProtocolError, envelope.open_sealed, {1: KEY}, NODE, envelope.TO_NODE, data)


def test_refuses_to_seal_beyond_its_bounds():
    for arguments in (
        (KEY, 0, NODE, 0, 0, b""),
        (KEY, 1, NODE[:5], 0, 0, b""),
        (KEY, 1, NODE, 2, 0, b""),
        (KEY, 1, NODE, 0, envelope.MAX_COUNTER + 1, b""),
        (KEY[:15], 1, NODE, 0, 0, b""),
    ):
        raises(ProtocolError, envelope.seal, *arguments)

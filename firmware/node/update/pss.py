"""RSASSA-PSS verification (RFC 8017, 8.1.2 and 9.1.2) for RSA-3072, SHA-256, salt of 32 bytes.

This is what `imgtool` signs with. `pow` with a modulus is native code on MicroPython.
"""

from hashlib import sha256

EXPONENT = 65537
SIZE = 384  # bytes of modulus and signature
_HASH = 32
_SALT = 32
_DB = SIZE - _HASH - 1  # masked data block: emLen - hLen - 1


def key_hash(modulus: bytes) -> bytes:
    """SHA-256 of the public key in PKCS #1 DER form, as in MCUboot's key hash TLV.

    modulus: 384 bytes, big endian, highest bit set.
    """
    digest = sha256(b"\x30\x82\x01\x8a\x02\x82\x01\x81\x00")
    digest.update(modulus)
    digest.update(b"\x02\x03\x01\x00\x01")
    return digest.digest()


def verify(modulus: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether `signature` (384 bytes) is one of `modulus`'s key over the SHA-256 `digest`."""
    if len(signature) != SIZE or len(modulus) != SIZE:
        return False
    n = int.from_bytes(modulus, "big")
    s = int.from_bytes(signature, "big")
    if s >= n:
        return False
    message = pow(s, EXPONENT, n).to_bytes(SIZE, "big")
    # emBits = 3071: one bit of the first byte is outside the encoded message.
    if message[-1] != 0xBC or message[0] & 0x80:
        return False
    hashed = message[_DB : _DB + _HASH]
    block = bytearray(message[:_DB])
    _unmask(block, hashed)
    block[0] &= 0x7F
    for at in range(_DB - _SALT - 1):
        if block[at]:
            return False
    if block[_DB - _SALT - 1] != 1:
        return False
    check = sha256(b"\x00" * 8)
    check.update(digest)
    check.update(block[_DB - _SALT :])
    return check.digest() == hashed


def _unmask(block: bytearray, seed: bytes) -> None:
    """XOR with MGF1-SHA256 of `seed` (RFC 8017, B.2.1)."""
    at = 0
    counter = 0
    while at < len(block):
        mask = sha256(seed + counter.to_bytes(4, "big")).digest()
        for value in mask[: len(block) - at]:
            block[at] ^= value
            at += 1
        counter += 1

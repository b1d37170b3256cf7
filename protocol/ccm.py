"""AES-CCM with a 13-byte nonce (RFC 3610, L = 2), on both interpreters.

The tag has 8 bytes unless it is asked for with another length: BTHome has 4.

A node has AES only as ECB and CBC (`cryptolib`). CCM is put together from whole-buffer calls of
those, so that no byte of a message costs an interpreted step. CPython uses the `cryptography`
library.
"""

from .errors import ProtocolError

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    Buffer = bytes | bytearray | memoryview

KEY_SIZE = 16
NONCE_SIZE = 13
TAG_SIZE = 8
MAX_SIZE = 0xFFFF

try:
    from cryptolib import aes as _aes  # pyright: ignore
except ImportError:
    from cryptography.exceptions import InvalidTag as _InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM

    def encrypt(
        key: "Buffer",
        nonce: "Buffer",
        plaintext: "Buffer",
        aad: "Buffer",
        tag_size: int = TAG_SIZE,
    ) -> bytes:
        """Ciphertext and tag of `plaintext`; `aad`, which may be empty, is authenticated with it.

        key 16 bytes, nonce 13 bytes never used before with this key, tag_size 4, 6, .. 16 bytes.
        Raises ProtocolError for other sizes.
        """
        _check(key, nonce, plaintext, tag_size)
        return AESCCM(bytes(key), tag_size).encrypt(bytes(nonce), bytes(plaintext), bytes(aad))

    def decrypt(
        key: "Buffer", nonce: "Buffer", sealed: "Buffer", aad: "Buffer", tag_size: int = TAG_SIZE
    ) -> "bytes | None":
        """Plaintext of `sealed` (ciphertext and tag), or None when its tag is wrong."""
        _check(key, nonce, sealed, tag_size)
        if len(sealed) < tag_size:
            return None
        try:
            return AESCCM(bytes(key), tag_size).decrypt(bytes(nonce), bytes(sealed), bytes(aad))
        except _InvalidTag:
            return None

else:
    _ECB = 1
    _CBC = 2

    def encrypt(
        key: "Buffer",
        nonce: "Buffer",
        plaintext: "Buffer",
        aad: "Buffer",
        tag_size: int = TAG_SIZE,
    ) -> bytes:
        """Ciphertext and tag of `plaintext`; `aad`, perhaps empty, is authenticated with it."""
        _check(key, nonce, plaintext, tag_size)
        stream = _keystream(key, nonce, len(plaintext))
        tag = _mac(key, nonce, plaintext, aad, tag_size)
        return _xor(plaintext, stream, 16) + _xor(tag, stream, 0)

    def decrypt(
        key: "Buffer", nonce: "Buffer", sealed: "Buffer", aad: "Buffer", tag_size: int = TAG_SIZE
    ) -> "bytes | None":
        """Plaintext of `sealed` (ciphertext and tag), or None when its tag is wrong."""
        _check(key, nonce, sealed, tag_size)
        size = len(sealed) - tag_size
        if size < 0:
            return None
        sealed = memoryview(sealed)
        stream = _keystream(key, nonce, size)
        plaintext = _xor(sealed[:size], stream, 16)
        expected = _xor(_mac(key, nonce, plaintext, aad, tag_size), stream, 0)
        # Every byte is compared, so that the time says nothing of where the first difference is.
        difference = 0
        for index in range(tag_size):
            difference |= expected[index] ^ sealed[size + index]
        return None if difference else plaintext

    def _keystream(key: "Buffer", nonce: "Buffer", size: int) -> bytearray:
        # S_0 (for the tag) and S_1..S_n: the counter blocks encrypted in one call.
        count = (size + 15) // 16 + 1
        blocks = bytearray(16 * count)
        for index in range(count):
            at = 16 * index
            blocks[at] = 1
            blocks[at + 1 : at + 14] = nonce
            blocks[at + 14] = index >> 8
            blocks[at + 15] = index & 0xFF
        _aes(key, _ECB).encrypt(blocks, blocks)  # pyright: ignore
        return blocks

    def _mac(
        key: "Buffer", nonce: "Buffer", plaintext: "Buffer", aad: "Buffer", tag_size: int
    ) -> bytearray:
        size = len(plaintext)
        aad_space = (len(aad) + 2 + 15) // 16 * 16 if aad else 0
        blocks = bytearray(16 + aad_space + (size + 15) // 16 * 16)
        blocks[0] = ((tag_size - 2) // 2) << 3 | 1  # M, and L = 2
        blocks[1:14] = nonce
        blocks[14] = size >> 8
        blocks[15] = size & 0xFF
        if aad:
            blocks[0] |= 0x40
            blocks[16] = len(aad) >> 8
            blocks[17] = len(aad) & 0xFF
            blocks[18 : 18 + len(aad)] = aad
        start = 16 + aad_space
        blocks[start : start + size] = plaintext
        _aes(key, _CBC, bytes(16)).encrypt(blocks, blocks)  # pyright: ignore
        end = len(blocks) - 16
        return blocks[end : end + tag_size]

    def _xor(data: "Buffer", stream: bytearray, start: int) -> bytes:
        # Native big integers: two conversions and one operation for the whole message.
        size = len(data)
        if size == 0:
            return b""
        left = int.from_bytes(bytes(data), "big")
        right = int.from_bytes(bytes(memoryview(stream)[start : start + size]), "big")
        return (left ^ right).to_bytes(size, "big")


def _check(key: "Buffer", nonce: "Buffer", data: "Buffer", tag_size: int) -> None:
    if not 4 <= tag_size <= 16 or tag_size & 1:
        raise ProtocolError("AES-CCM: tag must be 4, 6, .. 16 bytes, got %d" % tag_size)
    if len(key) != KEY_SIZE or len(nonce) != NONCE_SIZE or len(data) > MAX_SIZE:
        raise ProtocolError("AES-CCM: key must be 16 bytes, nonce 13, data at most 65535")

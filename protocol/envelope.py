"""Sealed messages: AES-128-CCM with a key per lamppost, laid out as COSE_Encrypt0 (RFC 9052).

    [ protected bstr {1: 10}, {4: key id bstr, 6: partial IV bstr(5)}, ciphertext bstr ]

Algorithm 10 is AES-CCM-16-64-128 (RFC 9053). The nonce is never sent: direction (1 byte), zero,
node id (6), counter (5, big endian), of which the partial IV is the counter. A reply uses the
counter of its request with the other direction, which ties the two together; so a counter is used
once by whoever asks, and answered once.
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from . import cbor, ccm
from .errors import ProtocolError

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Buffer = bytes | bytearray | memoryview

TO_NODE = 0
FROM_NODE = 1
MAX_COUNTER = (1 << 40) - 1
# What sealing adds to a message of 256 to 1199 bytes.
OVERHEAD = 27
# "Node id" in the nonce of a sealed broadcast.
BROADCAST_ID = b"\xff" * 6
FIRST_GROUP_KEY = 200
LAST_GROUP_KEY = 207

_PROTECTED = b"\xa1\x01\x0a"  # {1: 10}
_EXTERNAL_AAD = b"lamplighter-1"
# Enc_structure = ["Encrypt0", protected, external_aad]
_AAD = cbor.dumps(["Encrypt0", _PROTECTED, _EXTERNAL_AAD])
_KEY_ID = 4
_PARTIAL_IV = 6
_COUNTER_SIZE = 5


def is_group_key(key_id: int) -> bool:
    """Whether `key_id` is that of a key which a street's lampposts share for broadcasts."""
    return FIRST_GROUP_KEY <= key_id <= LAST_GROUP_KEY


def seal(
    key: "Buffer", key_id: int, node_id: "Buffer", direction: int, counter: int, plaintext: "Buffer"
) -> bytes:
    """Seal `plaintext` for or from the lamppost `node_id` (6 bytes, or BROADCAST_ID).

    key 16 bytes, key_id 1..255, direction TO_NODE or FROM_NODE, counter 0..2**40-1 never used
    before with this key and direction. Raises ProtocolError beyond these.
    """
    if not 1 <= key_id <= 255:
        raise ProtocolError("envelope: key id must be 1 to 255")
    nonce = _nonce(node_id, direction, counter)
    return cbor.dumps(
        [
            _PROTECTED,
            {_KEY_ID: bytes((key_id,)), _PARTIAL_IV: nonce[-_COUNTER_SIZE:]},
            ccm.encrypt(key, nonce, plaintext, _AAD),
        ]
    )


def open_sealed(
    keys: "Mapping[int, bytes]", node_id: "Buffer", direction: int, data: "Buffer"
) -> "tuple[bytes, int, int]":
    """(plaintext, key id, counter) of a sealed message.

    keys maps key id to key. Raises ProtocolError when it is no such message, the key is not known,
    or the seal does not open; nothing of its content is returned then.
    """
    message = cbor.loads(data)
    if not isinstance(message, list) or len(message) != 3 or message[0] != _PROTECTED:
        raise ProtocolError("envelope: not a COSE_Encrypt0 with AES-CCM-16-64-128")
    header = message[1]
    ciphertext = message[2]
    if not isinstance(header, dict) or not isinstance(ciphertext, bytes):
        raise ProtocolError("envelope: not a COSE_Encrypt0")
    raw_id = header.get(_KEY_ID)
    partial = header.get(_PARTIAL_IV)
    if not isinstance(raw_id, bytes) or len(raw_id) != 1:
        raise ProtocolError("envelope: key id must be one byte")
    if not isinstance(partial, bytes) or len(partial) != _COUNTER_SIZE:
        raise ProtocolError("envelope: partial IV must be five bytes")
    key = keys.get(raw_id[0])
    if key is None:
        raise ProtocolError("envelope: key %d is not known" % raw_id[0])
    counter = int.from_bytes(partial, "big")
    plaintext = ccm.decrypt(key, _nonce(node_id, direction, counter), ciphertext, _AAD)
    if plaintext is None:
        raise ProtocolError("envelope: the seal does not open")
    return plaintext, raw_id[0], counter


def _nonce(node_id: "Buffer", direction: int, counter: int) -> bytes:
    if (
        len(node_id) != 6
        or direction not in (TO_NODE, FROM_NODE)
        or not 0 <= counter <= MAX_COUNTER
    ):
        raise ProtocolError("envelope: node id 6 bytes, direction 0 or 1, counter 0 to 2**40-1")
    return bytes((direction, 0)) + bytes(node_id) + counter.to_bytes(_COUNTER_SIZE, "big")

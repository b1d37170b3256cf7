"""Who this lamppost is: written at flashing, kept in a file and in NVS; either is enough.

File: CBOR map {"id": 6 bytes, "board": text, "address": bus address, "keys": {key id: 16 bytes},
"release_key": RSA-3072 modulus, 384 bytes}, then the CRC-32 of it, little endian. While a key
change is under way also "next": [id of the new key, id of the one that it will retire].
"""

import os
from binascii import crc32

from protocol import cbor
from protocol.errors import ProtocolError

NAME = "identity.cbor"
MAX_SIZE = 1024


class IdentityError(ValueError):
    """There is no usable identity; the text says what is wrong and what to do."""


def encode(identity: dict) -> bytes:
    """The file's bytes. Raises IdentityError for values that are no identity."""
    _check(identity)
    data = cbor.dumps(identity)
    return data + crc32(data).to_bytes(4, "little")


def decode(data: bytes) -> dict:
    """The identity out of the file's bytes. Raises IdentityError when they are damaged."""
    if len(data) < 5 or len(data) > MAX_SIZE:
        raise IdentityError("identity: %d bytes, expected 5 to %d" % (len(data), MAX_SIZE))
    if crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise IdentityError("identity: its CRC does not fit")
    try:
        identity = cbor.loads(data[:-4])
    except ProtocolError as error:
        raise IdentityError("identity: %s" % error) from None
    _check(identity)
    return identity


def load(root: str) -> dict:
    """The identity of this node; a copy that is missing or damaged is mended from the other.

    root: folder that flash is mounted under. Raises IdentityError when both copies are gone.
    """
    path = "%s/%s" % (root, NAME)
    file_data = _read(path)
    nvs_data = _read_nvs()
    reason = None
    for data in (file_data, nvs_data):
        try:
            identity = decode(data)
        except IdentityError as error:
            reason = error
            continue
        try:
            if file_data != data:
                _write(path, data)
            if nvs_data != data:
                _write_nvs(data)
        except OSError as error:
            # The node can work with one copy; the next start tries again.
            print("identity: the second copy cannot be written:", error)
        return identity
    raise IdentityError("%s, nor is there a copy in NVS; flash the node again" % reason)


def store(root: str, identity: dict) -> None:
    """Keep a new identity in both places. Raises IdentityError, or OSError from the flash."""
    data = encode(identity)
    _write("%s/%s" % (root, NAME), data)
    _write_nvs(data)


def _check(identity) -> None:
    if not isinstance(identity, dict):
        raise IdentityError("identity: expected a map, got %r" % (identity,))
    node_id = identity.get("id")
    if not isinstance(node_id, bytes) or len(node_id) != 6:
        raise IdentityError("identity: expected 6 bytes for id, got %r" % (node_id,))
    board = identity.get("board")
    if not isinstance(board, str) or not 0 < len(board) <= 32:
        raise IdentityError("identity: expected 1 to 32 characters for board, got %r" % (board,))
    address = identity.get("address")
    if not isinstance(address, int) or not 1 <= address <= 247:
        raise IdentityError("identity: expected 1 to 247 for address, got %r" % (address,))
    keys = identity.get("keys")
    if not isinstance(keys, dict) or not 0 < len(keys) <= 8:
        raise IdentityError("identity: expected 1 to 8 keys")
    for key_id, key in keys.items():
        # The key itself is never shown.
        if not isinstance(key_id, int) or not 1 <= key_id <= 255:
            raise IdentityError("identity: expected a key id from 1 to 255, got %r" % (key_id,))
        if not isinstance(key, bytes) or len(key) != 16:
            raise IdentityError("identity: expected 16 bytes for key %d" % key_id)
    following = identity.get("next")
    if following is not None and not (
        isinstance(following, list) and len(following) == 2 and following[0] in keys
    ):
        raise IdentityError("identity: expected the ids of two keys for next, got %r" % following)
    modulus = identity.get("release_key")
    if not isinstance(modulus, bytes) or len(modulus) != 384 or not modulus[0] & 0x80:
        raise IdentityError("identity: expected an RSA-3072 modulus of 384 bytes for release_key")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(MAX_SIZE + 1)
    except OSError:
        return b""


def _write(path: str, data: bytes) -> None:
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.rename(path + ".new", path)


def _nvs():
    try:
        import esp32

        return esp32.NVS("lamp")
    except (ImportError, OSError):
        return None  # a chip without NVS has the file alone


def _read_nvs() -> bytes:
    nvs = _nvs()
    if nvs is None:
        return b""
    buffer = bytearray(MAX_SIZE)
    try:
        return bytes(buffer[: nvs.get_blob("identity", buffer)])
    except OSError:
        return b""


def _write_nvs(data: bytes) -> None:
    nvs = _nvs()
    if nvs is not None:
        nvs.set_blob("identity", data)
        nvs.commit()

"""SMP group 64, KEYS: which keys a lamppost has, and how one follows another.

A key change never passes through a moment in which neither key works. The new key is installed
under the old one; both are good from then on. The first message that the node accepts under the new
one proves that the gateway has it too, and retires the one that it was installed under. Until then
the gateway can install another in its place, or remove it: the way back. Group keys are installed
and removed under a key of the node's own and retire nothing.
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from .envelope import MAX_COUNTER
from .errors import ProtocolError

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KEY_SIZE = 16
MAX_KEYS = 8


def install_request(key_id: int, key: bytes) -> "dict[str, Any]":
    """Install `key` (16 bytes) as `key_id` (1..255; 200..207 are group keys)."""
    return {"k": key_id, "v": key}


def remove_request(key_id: int) -> "dict[str, Any]":
    """Remove the key `key_id`, which must not be the one this is sealed with."""
    return {"k": key_id, "v": None}


def parse_request(body: "dict[str, Any]") -> "tuple[int, bytes | None]":
    """(key id, key, or None to remove it). Raises ProtocolError, which never shows the key."""
    key_id = body.get("k")
    if not isinstance(key_id, int) or isinstance(key_id, bool) or not 1 <= key_id <= 255:
        raise ProtocolError("field k: expected a key id from 1 to 255, got %r" % (key_id,))
    key = body.get("v")
    if key is None and "v" in body:
        return key_id, None
    if not isinstance(key, bytes) or len(key) != KEY_SIZE:
        raise ProtocolError("field v: expected a key of %d bytes, or null" % KEY_SIZE)
    return key_id, key


def keys_reply(pending: int, lowest: "list[tuple[int, int]]") -> "dict[str, Any]":
    """Which keys there are.

    pending: id of a key installed but not yet used, 0 for none; lowest: for each key its id and the
    lowest counter that will be accepted under it.

    Nobody answers a broadcast, so this is how a gateway learns what its group counter has to pass
    after a node started again.
    """
    return {"p": pending, "c": [[key_id, counter] for key_id, counter in lowest]}


def parse_keys_reply(body: "dict[str, Any]") -> "tuple[int, dict[int, int]]":
    """(pending key id or 0, {key id: lowest acceptable counter})."""
    pending = body.get("p")
    if not isinstance(pending, int) or not 0 <= pending <= 255:
        raise ProtocolError("field p: expected a key id or 0, got %r" % (pending,))
    pairs = body.get("c")
    if not isinstance(pairs, list) or len(pairs) > MAX_KEYS:
        raise ProtocolError("field c: expected at most %d pairs" % MAX_KEYS)
    lowest: dict[int, int] = {}
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ProtocolError("field c: expected pairs of key id and counter")
        key_id, counter = pair
        if not isinstance(key_id, int) or not 1 <= key_id <= 255:
            raise ProtocolError("field c: expected a key id from 1 to 255, got %r" % (key_id,))
        if not isinstance(counter, int) or not 0 <= counter <= MAX_COUNTER + 1:
            raise ProtocolError("field c: expected a counter, got %r" % (counter,))
        lowest[key_id] = counter
    return pending, lowest

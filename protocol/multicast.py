"""SMP group 64, MULTICAST: one image to all lampposts of a bus at once.

As in the LoRa Alliance's TS004: `start` says what comes (sealed, to one node or by a group key),
chunks follow by broadcast, unsealed, in any order and as often as the master likes; then each node
is asked which it misses, and those are sent again. A node that has all goes on as after an upload.
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from .errors import ProtocolError

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MIN_CHUNK = 256
MAX_CHUNK = 1024
MAX_SIZE = 256 * 1024
# Chunks that one state reply tells of.
WINDOW = 512
# A transfer is named by the first bytes of its SHA-256.
TAG_SIZE = 4

# What a node has of the transfer it is asked for.
NONE = 0  # not begun, or another is under way
RECEIVING = 1
DONE = 2  # complete, verified, and in the idle slot or running
REFUSED = 3  # complete, but refused: STATUS says why


def tag(sha: bytes) -> bytes:
    """The name of the transfer of a file with this SHA-256."""
    return bytes(sha[:TAG_SIZE])


def chunk_count(size: int, chunk: int) -> int:
    """Chunks of `chunk` bytes in a file of `size`; the last may be shorter."""
    return (size + chunk - 1) // chunk


def start_request(sha: bytes, size: int, chunk: int) -> "dict[str, Any]":
    """Expect the file with this SHA-256 (32 bytes), of `size` bytes, in chunks of `chunk` bytes.

    size 1..262144, chunk 256..1024. The same once more changes nothing.
    """
    return {"h": sha, "n": size, "c": chunk}


def stop_request() -> "dict[str, Any]":
    """Forget the transfer under way, and its chunks."""
    return {"h": None}


def parse_start(body: "dict[str, Any]") -> "tuple[bytes, int, int] | None":
    """(sha, size, chunk), None to stop. Raises ProtocolError."""
    sha = body.get("h")
    if sha is None and "h" in body:
        return None
    if not isinstance(sha, bytes) or len(sha) != 32:
        raise _wrong("h", "32 bytes or null", sha)
    return sha, _integer(body, "n", 1, MAX_SIZE), _integer(body, "c", MIN_CHUNK, MAX_CHUNK)


def chunk_request(name: bytes, index: int, data: bytes) -> "dict[str, Any]":
    """Chunk `index` (0 up) of the transfer `name` (its tag)."""
    return {"i": name, "x": index, "d": data}


def parse_chunk(body: "dict[str, Any]") -> "tuple[bytes, int, bytes]":
    """(tag, index, data of 1 to 1024 bytes). Raises ProtocolError."""
    data = body.get("d")
    if not isinstance(data, bytes) or not 0 < len(data) <= MAX_CHUNK:
        raise _wrong("d", "1 to %d bytes" % MAX_CHUNK, data)
    return _tag(body), _integer(body, "x", 0, MAX_SIZE // MIN_CHUNK), data


def state_request(name: bytes, first: int = 0) -> "dict[str, Any]":
    """Which chunks from `first` on are missing of the transfer `name`?"""
    return {"i": name, "x": first}


def parse_state_request(body: "dict[str, Any]") -> "tuple[bytes, int]":
    """(tag, first). Raises ProtocolError."""
    return _tag(body), _integer(body, "x", 0, MAX_SIZE // MIN_CHUNK)


def state_reply(state: int, missing: int, first: int, bitmap: bytes) -> "dict[str, Any]":
    """What a node has of a transfer.

    state: NONE to REFUSED; missing: chunks in all; bitmap: of at most WINDOW chunks from `first`
    on. With RECEIVING and nothing missing the power went while the image was verified: any chunk
    once more makes the node go on. Bit `k % 8` of byte `k // 8` is set when chunk `first + k` is
    missing.
    """
    return {"s": state, "z": missing, "x": first, "m": bitmap}


def parse_state_reply(body: "dict[str, Any]") -> "tuple[int, int, list[int]]":
    """(state, chunks missing in all, indices of those missing in this window)."""
    bitmap = body.get("m")
    if not isinstance(bitmap, bytes) or len(bitmap) > WINDOW // 8:
        raise _wrong("m", "at most %d bytes" % (WINDOW // 8), bitmap)
    most = MAX_SIZE // MIN_CHUNK
    first = _integer(body, "x", 0, most)
    gone = [first + k for k in range(8 * len(bitmap)) if bitmap[k // 8] >> k % 8 & 1]
    return _integer(body, "s", NONE, REFUSED), _integer(body, "z", 0, most), gone


def _tag(body: "dict[str, Any]") -> bytes:
    name = body.get("i")
    if not isinstance(name, bytes) or len(name) != TAG_SIZE:
        raise _wrong("i", "%d bytes" % TAG_SIZE, name)
    return name


def _integer(body: "dict[str, Any]", key: str, low: int, high: int) -> int:
    value = body.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _wrong(key, "an integer from %d to %d" % (low, high), value)
    return value


def _wrong(key: str, expected: str, got: "Any") -> ProtocolError:
    text = repr(got)
    return ProtocolError("field %s: expected %s, got %s" % (key, expected, text[:40]))

"""SMP group 64: readings from a position, acknowledge, lamp command, identify, seal, status.

Each request body has a builder, used by whoever asks, and a parser, used by whoever answers;
replies likewise. Keys are one or two letters, since they cross a slow bus thousands of times an
hour. Parsers raise ProtocolError, which names the field, what was expected and what came.
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from .errors import ProtocolError

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

READINGS = 0
ACKNOWLEDGE = 1
LAMP = 2
IDENTIFY = 3
SEALED = 4
STATUS = 5

# What fits a sealed reply in one bus frame (busframe.MAX_PAYLOAD) beside headers, seal and keys.
MAX_RECORD_BYTES = 1024
MAX_LAMP_SECONDS = 604800
MAX_IDENTIFY_SECONDS = 600

_U32 = 0xFFFFFFFF

# States of an update as STATUS reports them ("us").
UPDATE_IDLE = 0
UPDATE_UPLOADING = 1
UPDATE_VERIFYING = 2
UPDATE_READY = 3  # verified and unpacked in the idle slot
UPDATE_PENDING = 4  # to be started at the next reset
UPDATE_TRIAL = 5  # running, not yet confirmed
UPDATE_CONFIRMED = 6
UPDATE_REVERTED = 7
UPDATE_REFUSED = 8
UPDATE_STATES = (
    "idle",
    "uploading",
    "verifying",
    "ready",
    "pending",
    "trial",
    "confirmed",
    "reverted",
    "refused",
)


def readings_request(
    epoch: int,
    sequence: int,
    limit: int,
    acknowledged: "tuple[int, int] | None" = None,
    time: "int | None" = None,
) -> "dict[str, Any]":
    """Ask for records from (epoch, sequence) on, at most `limit` record bytes (1..1024).

    acknowledged: (epoch, sequence) up to and including which the node may forget; time: Unix
    seconds for its clock. Either makes a request that is honoured only sealed.
    """
    body: dict[str, Any] = {"e": epoch, "s": sequence, "n": limit}
    if acknowledged is not None:
        body["ae"], body["as"] = acknowledged
    if time is not None:
        body["t"] = time
    return body


def parse_readings_request(
    body: "dict[str, Any]",
) -> "tuple[int, int, int, tuple[int, int] | None, int | None]":
    """(epoch, sequence, limit, acknowledged or None, time or None)."""
    epoch = _integer(body, "e", 0, _U32)
    sequence = _integer(body, "s", 0, _U32)
    limit = _integer(body, "n", 1, MAX_RECORD_BYTES)
    acknowledged = None
    if "ae" in body or "as" in body:
        acknowledged = (_integer(body, "ae", 0, _U32), _integer(body, "as", 0, _U32))
    time = _integer(body, "t", 0, _U32) if "t" in body else None
    return epoch, sequence, limit, acknowledged, time


def readings_reply(
    epoch: int, sequence: int, records: "list[bytes]", waiting: int, generation: int, level: int
) -> "dict[str, Any]":
    """Consecutive `records` (bytes each) of one epoch, the first at `sequence`.

    waiting: records after these; generation: counts changes that STATUS would show; level: dimming
    level now, 0..100 %.
    """
    return {"e": epoch, "s": sequence, "r": records, "b": waiting, "g": generation, "l": level}


def parse_readings_reply(body: "dict[str, Any]") -> "tuple[int, int, list[bytes], int, int, int]":
    """(epoch, sequence, records, waiting, generation, level)."""
    records = body.get("r")
    if not isinstance(records, list) or not all(isinstance(item, bytes) for item in records):
        raise _wrong("r", "a list of byte strings", records)
    return (
        _integer(body, "e", 0, _U32),
        _integer(body, "s", 0, _U32),
        records,
        _integer(body, "b", 0, _U32),
        _integer(body, "g", 0, _U32),
        _integer(body, "l", 0, 100),
    )


def acknowledge_request(epoch: int, sequence: int) -> "dict[str, Any]":
    """The node may forget everything up to and including (epoch, sequence)."""
    return {"e": epoch, "s": sequence}


def parse_acknowledge_request(body: "dict[str, Any]") -> "tuple[int, int]":
    """(epoch, sequence)."""
    return _integer(body, "e", 0, _U32), _integer(body, "s", 0, _U32)


def lamp_request(level: "int | None", seconds: int = 0) -> "dict[str, Any]":
    """Override the lamp at `level` (0..100 %) for `seconds` (1..604800); None ends an override."""
    if level is None:
        return {"l": None}
    return {"l": level, "x": seconds}


def parse_lamp_request(body: "dict[str, Any]") -> "tuple[int | None, int]":
    """(level or None, seconds)."""
    if "l" in body and body["l"] is None:
        return None, 0
    return _integer(body, "l", 0, 100), _integer(body, "x", 1, MAX_LAMP_SECONDS)


def lamp_reply(level: int, reason: int, wanted: int) -> "dict[str, Any]":
    """Dimming level now and wanted (0..100 %), and the reason code (records.REASONS)."""
    return {"l": level, "q": reason, "w": wanted}


def parse_lamp_reply(body: "dict[str, Any]") -> "tuple[int, int, int]":
    """(level, reason, wanted)."""
    return _integer(body, "l", 0, 100), _integer(body, "q", 0, 255), _integer(body, "w", 0, 100)


def identify_request(seconds: int) -> "dict[str, Any]":
    """Blink the lamp for `seconds` (0..600, 0 stops)."""
    return {"d": seconds}


def parse_identify_request(body: "dict[str, Any]") -> int:
    """Seconds to blink."""
    return _integer(body, "d", 0, MAX_IDENTIFY_SECONDS)


def identify_reply(node_id: bytes, board: str, version: str, address: int) -> "dict[str, Any]":
    """Who answers: node id (6 bytes), board id, firmware version, bus address."""
    return {"id": node_id, "b": board, "v": version, "a": address}


def parse_identify_reply(body: "dict[str, Any]") -> "tuple[bytes, str, str, int]":
    """(node id, board, version, address)."""
    return _bytes(body, "id", 6), _text(body, "b"), _text(body, "v"), _integer(body, "a", 0, 255)


def sealed(message: bytes) -> "dict[str, Any]":
    """Body of a SEALED request or reply around a COSE_Encrypt0."""
    return {"m": message}


def parse_sealed(body: "dict[str, Any]") -> bytes:
    """The COSE_Encrypt0 of a SEALED body."""
    message = body.get("m")
    if not isinstance(message, bytes):
        raise _wrong("m", "a byte string", message)
    return message


# STATUS reply: key, what it must be (int bounds, byte length, or str / bool), name in parse_status.
_STATUS: "tuple[tuple[str, Any, str], ...]" = (
    ("id", 6, "id"),
    ("b", str, "board"),
    ("v", str, "version"),
    ("sl", (0, 1), "slot"),
    ("h", 32, "hash"),
    ("cf", bool, "confirmed"),
    ("sc", (0, _U32), "security_counter"),
    ("cv", (0, _U32), "configuration_version"),
    ("ch", 8, "configuration_digest"),
    ("l", (0, 100), "level"),
    ("q", (0, 255), "reason"),
    ("ep", (0, _U32), "epoch"),
    ("hs", (0, _U32), "next_sequence"),
    ("up", (0, _U32), "uptime"),
    ("tm", (0, _U32), "time"),
    ("us", (0, 255), "update_state"),
    ("uo", (0, _U32), "update_offset"),
    ("ur", str, "update_reason"),
    ("rs", (0, _U32), "task_restarts"),
    ("ov", (0, _U32), "overwritten"),
    ("g", (0, _U32), "generation"),
)


def status_reply(values: "dict[str, Any]") -> "dict[str, Any]":
    """STATUS body from a dict by the long names of `parse_status`."""
    return {key: values[name] for key, _, name in _STATUS}


def parse_status(body: "dict[str, Any]") -> "dict[str, Any]":
    """The STATUS reply with long names: id, board, version, slot, hash, confirmed, ..."""
    out: dict[str, Any] = {}
    for key, kind, name in _STATUS:
        if kind is str:
            out[name] = _text(body, key)
        elif kind is bool:
            value = body.get(key)
            if value is not True and value is not False:
                raise _wrong(key, "true or false", value)
            out[name] = value
        elif isinstance(kind, int):
            out[name] = _bytes(body, key, kind)
        else:
            out[name] = _integer(body, key, kind[0], kind[1])
    return out


def _integer(body: "dict[str, Any]", key: str, low: int, high: int) -> int:
    value = body.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _wrong(key, "an integer from %d to %d" % (low, high), value)
    return value


def _bytes(body: "dict[str, Any]", key: str, size: int) -> bytes:
    value = body.get(key)
    if not isinstance(value, bytes) or len(value) != size:
        raise _wrong(key, "%d bytes" % size, value)
    return value


def _text(body: "dict[str, Any]", key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or len(value) > 200:
        raise _wrong(key, "text of at most 200 characters", value)
    return value


def _wrong(key: str, expected: str, got: "Any") -> ProtocolError:
    return ProtocolError(f"field {key}: expected {expected}, got {got!r}")

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
CRASH = 6
MULTICAST = 7  # bodies in multicast.py
KEYS = 9  # bodies in keyring.py
PRESENCE = 8
LINKS = 10

# What fits a sealed reply in one bus frame (busframe.MAX_PAYLOAD) beside headers, seal and keys.
MAX_RECORD_BYTES = 1024
MAX_LAMP_SECONDS = 604800
MAX_IDENTIFY_SECONDS = 600
MAX_PRESENCE_SECONDS = 3600
# A lamp request's groups: bit 0 is group 1. All bits are every lamppost, in a group or in none.
ALL_GROUPS = 0xFFFF

# Links by their code in STATUS and LINKS, in order of preference.
LINK_NAMES = ("none", "bus", "lan", "ble")

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
    epoch: int,
    sequence: int,
    records: "list[bytes]",
    waiting: int,
    generation: int,
    level: int,
    sightings: int = 0,
) -> "dict[str, Any]":
    """Consecutive `records` (bytes each) of one epoch, the first at `sequence`.

    waiting: records after these; generation: counts changes that STATUS would show; level: dimming
    level, 0..100 %, as if nobody were near; sightings: how often its own presence sensor saw
    somebody since start, for the gateway to tell the neighbours, and for nobody beyond it.
    """
    body: dict[str, Any] = {
        "e": epoch,
        "s": sequence,
        "r": records,
        "b": waiting,
        "g": generation,
        "l": level,
    }
    if sightings:
        body["p"] = sightings
    return body


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


def parse_sightings(body: "dict[str, Any]") -> int:
    """How often the lamppost of a readings reply saw somebody since its start."""
    return _integer(body, "p", 0, _U32) if "p" in body else 0


def acknowledge_request(epoch: int, sequence: int) -> "dict[str, Any]":
    """The node may forget everything up to and including (epoch, sequence)."""
    return {"e": epoch, "s": sequence}


def parse_acknowledge_request(body: "dict[str, Any]") -> "tuple[int, int]":
    """(epoch, sequence)."""
    return _integer(body, "e", 0, _U32), _integer(body, "s", 0, _U32)


def lamp_request(
    level: "int | None", seconds: int = 0, why: int = 0, groups: int = 0
) -> "dict[str, Any]":
    """Override the lamp at `level` (0..100 %) for `seconds` (1..604800); None ends an override.

    why: code of who asks for it, 0..255, 0 not told; shown while it lasts. groups: mask of the
    groups that are to obey (1..0xFFFF, see ALL_GROUPS), for a broadcast; 0 is who receives it.
    """
    body: dict[str, Any] = {"l": None} if level is None else {"l": level, "x": seconds}
    if why:
        body["q"] = why
    if groups:
        body["g"] = groups
    return body


def parse_lamp_request(body: "dict[str, Any]") -> "tuple[int | None, int]":
    """(level or None, seconds)."""
    if "l" in body and body["l"] is None:
        return None, 0
    return _integer(body, "l", 0, 100), _integer(body, "x", 1, MAX_LAMP_SECONDS)


def parse_lamp_options(body: "dict[str, Any]") -> "tuple[int, int]":
    """(why, groups) of a lamp request, 0 for what it does not say."""
    why = _integer(body, "q", 0, 255) if "q" in body else 0
    return why, _integer(body, "g", 1, ALL_GROUPS) if "g" in body else 0


def in_groups(member: int, mask: int) -> bool:
    """Whether a lamppost in groups `member` (lamp/groups) is meant by the `mask` of a request."""
    return mask in (0, ALL_GROUPS) or bool(member & mask)


def lamp_reply(
    level: int, reason: int, wanted: int, why: int = 0, left: int = 0
) -> "dict[str, Any]":
    """Dimming level now and wanted (0..100 %), and the reason code (records.REASONS).

    While an override stands: why, as its request had it, and the seconds it has left.
    """
    body: dict[str, Any] = {"l": level, "q": reason, "w": wanted}
    if left:
        body["o"] = why
        body["x"] = left
    return body


def parse_lamp_reply(body: "dict[str, Any]") -> "tuple[int, int, int]":
    """(level, reason, wanted)."""
    return _integer(body, "l", 0, 100), _integer(body, "q", 0, 255), _integer(body, "w", 0, 100)


def parse_lamp_override(body: "dict[str, Any]") -> "tuple[int, int] | None":
    """(why, seconds left) of the override that a lamp reply tells of, None without one."""
    if "x" not in body:
        return None
    return _integer(body, "o", 0, 255), _integer(body, "x", 1, MAX_LAMP_SECONDS)


def presence_request(seconds: int = 0, addresses: bytes = b"") -> "dict[str, Any]":
    """Somebody is near, or soon will be: count as seen for `seconds` (1..3600).

    seconds 0: for the lamppost's own presence/hold. addresses: bus addresses of the lampposts that
    are meant, a byte each, so that one broadcast lights several; b"" is whoever receives it.
    """
    body: dict[str, Any] = {}
    if seconds:
        body["d"] = seconds
    if addresses:
        body["a"] = addresses
    return body


def parse_presence_request(body: "dict[str, Any]") -> "tuple[int, bytes]":
    """(seconds or 0, addresses or b"")."""
    seconds = _integer(body, "d", 1, MAX_PRESENCE_SECONDS) if "d" in body else 0
    if "a" not in body:
        return seconds, b""
    addresses = body["a"]
    if not isinstance(addresses, bytes) or not 0 < len(addresses) <= 255:
        raise _wrong("a", "1 to 255 bytes", addresses)
    return seconds, addresses


def crash_request(clear: bool = False, leave: bool = False) -> "dict[str, Any]":
    """Of a CRASH write: clear the last crash's text; leave safe mode, by a restart."""
    return {"c": clear, "s": leave}


def parse_crash_request(body: "dict[str, Any]") -> "tuple[bool, bool]":
    """(clear, leave safe mode)."""
    out: list[bool] = []
    for key in ("c", "s"):
        value = body.get(key, False)
        if value is not True and value is not False:
            raise _wrong(key, "true or false", value)
        out.append(value)
    return out[0], out[1]


def crash_reply(text: str, crc: int, crashes: int, safe: int) -> "dict[str, Any]":
    """How the last crash ended (a traceback, its last 600 bytes; "" for none), CRC-32 of that.

    crashes: so far; safe: stops in a row that led to safe mode, 0 outside it.
    """
    return {"t": text, "h": crc, "n": crashes, "s": safe}


def parse_crash_reply(body: "dict[str, Any]") -> "tuple[str, int, int, int]":
    """(text, crc, crashes, safe)."""
    text = body.get("t")
    if not isinstance(text, str) or len(text) > 600:
        raise _wrong("t", "text of at most 600 characters", text)
    crc, crashes = _integer(body, "h", 0, _U32), _integer(body, "n", 0, _U32)
    return text, crc, crashes, _integer(body, "s", 0, _U32)


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
    ("lk", (0, 255), "link"),
    ("lw", str, "link_reason"),
    ("sm", bool, "safe_mode"),
)


def status_reply(values: "dict[str, Any]") -> "dict[str, Any]":
    """STATUS body from a dict by the long names of `parse_status`."""
    return {key: values[name] for key, _, name in _STATUS}


def parse_status(body: "dict[str, Any]") -> "dict[str, Any]":
    """The STATUS reply with long names: id, board, version, slot, hash, confirmed, ...

    link (LINK_NAMES) and link_reason are 0 and "", safe_mode is False, from a release that does
    not tell them.
    """
    out: dict[str, Any] = {}
    for key, kind, name in _STATUS:
        if key in ("lk", "lw", "sm") and key not in body:
            out[name] = "" if kind is str else False if kind is bool else 0
        elif kind is str:
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


def links_reply(
    chosen: int, reason: str, links: "list[tuple[int, bool, int, int, int, int, str]]"
) -> "dict[str, Any]":
    """The LINKS reply: code of the link chosen, why, and a row for each link that the node has.

    (code, whether it is up, seconds since a sealed request came by it or -1, messages refused,
    requests answered, RSSI in dBm or 0, why it is not up or "").
    """
    return {"c": chosen, "w": reason, "l": [list(link) for link in links]}


def parse_links_reply(
    body: "dict[str, Any]",
) -> "tuple[int, str, list[tuple[int, bool, int, int, int, int, str]]]":
    """(chosen, reason, links) as `links_reply` takes them."""
    rows = body.get("l")
    if not isinstance(rows, list) or len(rows) > 8:
        raise _wrong("l", "a list of at most 8 links", rows)
    links: list[tuple[int, bool, int, int, int, int, str]] = []
    for row in rows:
        if not isinstance(row, list) or len(row) != 7:
            raise _wrong("l", "lists of 7 values", row)
        named: dict[str, Any] = {}
        for index in range(7):
            named["l%d" % index] = row[index]
        up = named["l1"]
        if up is not True and up is not False:
            raise _wrong("l1", "true or false", up)
        links.append(
            (
                _integer(named, "l0", 1, 255),
                up,
                _integer(named, "l2", -1, _U32),
                _integer(named, "l3", 0, _U32),
                _integer(named, "l4", 0, _U32),
                _integer(named, "l5", -200, 0),
                _text(named, "l6"),
            )
        )
    return _integer(body, "c", 0, 255), _text(body, "w"), links


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

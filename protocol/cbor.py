"""CBOR (RFC 8949) in the small subset the protocol uses.

Integers from -2**63 to 2**64 - 1, byte strings, text, arrays, maps, booleans and null. Floats, tags
and indefinite-length strings are refused: no message has them, and a tag is an instruction from a
stranger. Indefinite-length arrays and maps are read, since management clients send them.
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from .errors import ProtocolError

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_DEPTH = 8

_UINT = 0
_NINT = 1
_BYTES = 2
_TEXT = 3
_ARRAY = 4
_MAP = 5
_INDEFINITE = 31
_BREAK = 0xFF


def dumps(value: "Any") -> bytes:
    """Encode `value` with the shortest heads and maps in their own order.

    Raises ProtocolError for a type, depth or integer outside the subset.
    """
    out = bytearray()
    _write(out, value, 0)
    return bytes(out)


def loads(data: "bytes | bytearray | memoryview") -> "Any":
    """Decode exactly one value from bytes-like `data`.

    Raises ProtocolError for anything malformed, outside the subset, nested deeper than
    MAX_DEPTH, or followed by further bytes.
    """
    value, end = load_at(data, 0)
    if end != len(data):
        raise ProtocolError("CBOR: %d bytes after the value" % (len(data) - end))
    return value


def load_at(data: "bytes | bytearray | memoryview", at: int) -> "tuple[Any, int]":
    """Decode one value at offset `at`; returns (value, offset after it). Raises ProtocolError."""
    # A memoryview makes each slice below a view: no copy until a value is made.
    return _read(memoryview(data), at, 0)


def _head(out: bytearray, major: int, number: int) -> None:
    major <<= 5
    if number < 24:
        out.append(major | number)
    elif number < 0x100:
        out.append(major | 24)
        out.append(number)
    elif number < 0x10000:
        out.append(major | 25)
        out.extend(number.to_bytes(2, "big"))
    elif number < 0x100000000:
        out.append(major | 26)
        out.extend(number.to_bytes(4, "big"))
    elif number <= 0xFFFFFFFFFFFFFFFF:
        out.append(major | 27)
        out.extend(number.to_bytes(8, "big"))
    else:
        raise ProtocolError("CBOR: integer beyond 64 bits")


def _write(out: bytearray, value: "Any", depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ProtocolError("CBOR: nested deeper than %d" % MAX_DEPTH)
    if value is None:
        out.append(0xF6)
    elif value is True:
        out.append(0xF5)
    elif value is False:
        out.append(0xF4)
    elif isinstance(value, int):
        if value >= 0:
            _head(out, _UINT, value)
        elif value >= -(1 << 63):
            _head(out, _NINT, -1 - value)
        else:
            raise ProtocolError("CBOR: integer below -2**63")
    elif isinstance(value, (bytes, bytearray, memoryview)):
        _head(out, _BYTES, len(value))
        out.extend(value)
    elif isinstance(value, str):
        text = value.encode()
        _head(out, _TEXT, len(text))
        out.extend(text)
    elif isinstance(value, (list, tuple)):
        _head(out, _ARRAY, len(value))
        for item in value:
            _write(out, item, depth + 1)
    elif isinstance(value, dict):
        _head(out, _MAP, len(value))
        for key in value:
            _write(out, key, depth + 1)
            _write(out, value[key], depth + 1)
    else:
        raise ProtocolError(f"CBOR: cannot carry a {type(value).__name__}")


def _read(data: memoryview, at: int, depth: int) -> "tuple[Any, int]":
    if depth > MAX_DEPTH:
        raise ProtocolError("CBOR: nested deeper than %d" % MAX_DEPTH)
    size = len(data)
    if at >= size:
        raise ProtocolError("CBOR: ends too early")
    first = data[at]
    at += 1
    major = first >> 5
    info = first & 31
    if major == 7:
        if info == 20:
            return False, at
        if info == 21:
            return True, at
        if info == 22:
            return None, at
        raise ProtocolError(f"CBOR: unsupported simple value or float 0x{first:02x}")
    if info == _INDEFINITE and (major in (_ARRAY, _MAP)):
        return _read_indefinite(data, at, depth, major)
    if info < 24:
        number = info
    elif info < 28:
        width = 1 << (info - 24)
        if at + width > size:
            raise ProtocolError("CBOR: ends too early")
        number = int.from_bytes(bytes(data[at : at + width]), "big")
        at += width
    else:
        raise ProtocolError(f"CBOR: unsupported head 0x{first:02x}")
    if major == _UINT:
        return number, at
    if major == _NINT:
        if number >> 63:
            raise ProtocolError("CBOR: integer below -2**63")
        return -1 - number, at
    if major in (_BYTES, _TEXT):
        end = at + number
        if end > size:
            raise ProtocolError("CBOR: string of %d bytes, %d left" % (number, size - at))
        raw = bytes(data[at:end])
        if major == _BYTES:
            return raw, end
        return _text(raw), end
    if major in (_ARRAY, _MAP):
        # Each item takes a byte at least: a length that cannot fit must not make us allocate.
        if number > size - at:
            raise ProtocolError("CBOR: %d items announced, %d bytes left" % (number, size - at))
        if major == _ARRAY:
            items: list[Any] = []
            for _ in range(number):
                item, at = _read(data, at, depth + 1)
                items.append(item)
            return items, at
        entries: dict[Any, Any] = {}
        for _ in range(number):
            at = _read_entry(data, at, depth, entries)
        return entries, at
    raise ProtocolError("CBOR: tags are not accepted")


def _read_indefinite(data: memoryview, at: int, depth: int, major: int) -> "tuple[Any, int]":
    items: list[Any] = []
    entries: dict[Any, Any] = {}
    while True:
        if at >= len(data):
            raise ProtocolError("CBOR: ends too early")
        if data[at] == _BREAK:
            return (items if major == _ARRAY else entries), at + 1
        if major == _ARRAY:
            item, at = _read(data, at, depth + 1)
            items.append(item)
        else:
            at = _read_entry(data, at, depth, entries)


def _read_entry(data: memoryview, at: int, depth: int, entries: "dict[Any, Any]") -> int:
    key, at = _read(data, at, depth + 1)
    # No byte strings: MicroPython warns on the console at each comparison of bytes with text, and
    # one hostile map would make half a megabyte of that.
    if not isinstance(key, (int, str)) or isinstance(key, bool):
        raise ProtocolError("CBOR: map key must be an integer or text")
    if key in entries:
        raise ProtocolError("CBOR: map key given twice")
    value, at = _read(data, at, depth + 1)
    entries[key] = value
    return at


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    # MicroPython raises UnicodeError where CPython raises its subclass UnicodeDecodeError.
    except UnicodeError:
        raise ProtocolError("CBOR: text is not UTF-8") from None

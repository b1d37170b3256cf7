"""The MCUboot image format, as `imgtool` writes it (MCUboot design document, "Image Format").

    header 32 bytes | payload | protected TLVs (magic 0x6908) | TLVs (magic 0x6907)

All little endian. The hash TLV covers header, payload and protected TLVs; so does the signature.
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
import struct

from . import cbor
from .errors import ProtocolError

MAGIC = 0x96F3B83D
HEADER_SIZE = 32
TLV_INFO_SIZE = 4
TLV_HEAD_SIZE = 4
TLV_MAGIC = 0x6907
TLV_PROTECTED_MAGIC = 0x6908

TLV_KEY_HASH = 0x01
TLV_SHA256 = 0x10
TLV_RSA3072_PSS = 0x23
TLV_SECURITY_COUNTER = 0x50
# Ours, from the range MCUboot leaves to vendors; both protected.
TLV_BOARD = 0x00A0  # board id as text: the hardware family the image is for
TLV_PAYLOAD = 0x00A1  # CBOR, see `payload_description`
TLV_DELTA = 0x00A2  # CBOR, see `delta_description`; only in a delta

# Payload encodings.
DEFLATE = "deflate"
DELTA = "detools"  # a preface, then a detools sequential patch without compression, deflated
PAYLOAD_WBITS = 10

# A delta's payload begins with these, the image hash of its base and that of its result, so that
# its first chunk tells who cannot use it. Two set bits after the first make a deflate block of the
# reserved kind (RFC 1951, 3.2.3): no whole release begins like this.
DELTA_MAGIC = b"FROM"
DELTA_PREFACE = 68

MAX_IMAGE_SIZE = 512 * 1024
MAX_TLV_SIZE = 4096

_HEADER = "<IIHHIIBBHII"


def parse_header(
    data: "bytes | bytearray | memoryview",
) -> "tuple[int, int, int, tuple[int, int, int, int]]":
    """(header size, payload size, protected TLV size, (major, minor, revision, build)).

    `data`: at least 32 bytes. Raises ProtocolError for another magic or impossible sizes.
    """
    if len(data) < HEADER_SIZE:
        raise ProtocolError("image: %d bytes, the header alone has 32" % len(data))
    magic, _, header, protected, payload, _, major, minor, revision, build, _ = struct.unpack(
        _HEADER, bytes(data[:HEADER_SIZE])
    )
    if magic != MAGIC:
        raise ProtocolError(f"image: magic 0x{magic:08x}, expected 0x{MAGIC:08x}")
    if header < HEADER_SIZE or header > 1024:
        raise ProtocolError("image: header of %d bytes, expected 32 to 1024" % header)
    if payload == 0 or payload > MAX_IMAGE_SIZE or protected > MAX_TLV_SIZE:
        raise ProtocolError("image: impossible sizes in the header")
    return header, payload, protected, (major, minor, revision, build)


def parse_tlvs(data: "bytes | bytearray | memoryview", magic: int) -> "list[tuple[int, bytes]]":
    """[(type, value bytes), ...] of one TLV area beginning at data[0].

    Raises ProtocolError for another magic, or entries that do not fill the area exactly.
    """
    data = bytes(data)
    if len(data) < TLV_INFO_SIZE:
        raise ProtocolError("image: TLV area is cut short")
    found, total = struct.unpack("<HH", data[:TLV_INFO_SIZE])
    if found != magic:
        raise ProtocolError(f"image: TLV magic 0x{found:04x}, expected 0x{magic:04x}")
    if total < TLV_INFO_SIZE or total > len(data) or total > MAX_TLV_SIZE:
        raise ProtocolError("image: TLV area of %d bytes, %d there" % (total, len(data)))
    entries: list[tuple[int, bytes]] = []
    at = TLV_INFO_SIZE
    while at < total:
        if at + TLV_HEAD_SIZE > total:
            raise ProtocolError("image: TLV cut short")
        kind, size = struct.unpack("<HH", data[at : at + TLV_HEAD_SIZE])
        at += TLV_HEAD_SIZE
        if at + size > total:
            raise ProtocolError("image: TLV 0x%04x of %d bytes does not fit" % (kind, size))
        entries.append((kind, data[at : at + size]))
        at += size
    return entries


def find(entries: "list[tuple[int, bytes]]", kind: int) -> "bytes | None":
    """Value of the one TLV of type `kind`, None when absent. Raises ProtocolError if repeated."""
    found = None
    for entry_kind, value in entries:
        if entry_kind == kind:
            if found is not None:
                raise ProtocolError(f"image: TLV 0x{kind:04x} given twice")
            found = value
    return found


def payload_description(size: int, sha: bytes, encoding: str = DEFLATE) -> bytes:
    """TLV_PAYLOAD: `size` bytes and SHA-256 `sha` of the ROMFS that comes of the payload."""
    return cbor.dumps({"enc": encoding, "wbits": PAYLOAD_WBITS, "size": size, "sha": sha})


def parse_payload_description(
    data: "bytes | bytearray | memoryview", encoding: str = DEFLATE
) -> "tuple[int, bytes]":
    """(size, sha) of the ROMFS. Raises ProtocolError for another encoding or window."""
    body = cbor.loads(data)
    if not isinstance(body, dict) or body.get("enc") != encoding:
        raise ProtocolError("image: payload encoding must be " + encoding)
    if body.get("wbits") != PAYLOAD_WBITS:
        raise ProtocolError("image: payload window must be %d bits" % PAYLOAD_WBITS)
    size = body.get("size")
    sha = body.get("sha")
    if not isinstance(size, int) or not 0 < size <= 2 * MAX_IMAGE_SIZE:
        raise ProtocolError(f"image: payload size {size!r}")
    if not isinstance(sha, bytes) or len(sha) != 32:
        raise ProtocolError("image: payload digest must be 32 bytes")
    return size, sha


def delta_preface(base_hash: bytes, result_hash: bytes) -> bytes:
    """How a delta's payload begins: image hashes (32 bytes each) of its base and of its result."""
    return DELTA_MAGIC + base_hash + result_hash


def parse_delta_preface(
    data: "bytes | bytearray | memoryview",
) -> "tuple[bytes, bytes] | None":
    """(base hash, result hash) of the payload beginning at data[0], None when it is no delta."""
    if len(data) < DELTA_PREFACE or bytes(data[: len(DELTA_MAGIC)]) != DELTA_MAGIC:
        return None
    return bytes(data[4:36]), bytes(data[36:DELTA_PREFACE])


def delta_description(
    base_hash: bytes, base_size: int, base_sha: bytes, result_hash: bytes, result_file: bytes
) -> bytes:
    """TLV_DELTA.

    base_hash, result_hash: MCUboot hashes of the whole releases; base_size, base_sha: bytes and
    SHA-256 of the base's ROMFS; result_file: SHA-256 of the result's signed image file.
    """
    return cbor.dumps(
        {"b": base_hash, "n": base_size, "s": base_sha, "r": result_hash, "f": result_file}
    )


def parse_delta_description(
    data: "bytes | bytearray | memoryview",
) -> "tuple[bytes, int, bytes, bytes, bytes]":
    """(base hash, base size, base sha, result hash, result file). Raises ProtocolError."""
    body = cbor.loads(data)
    if not isinstance(body, dict):
        raise ProtocolError("image: the delta's description must be a map")
    for key in ("b", "s", "r", "f"):
        if not isinstance(body.get(key), bytes) or len(body[key]) != 32:
            raise ProtocolError("image: delta field %s must be 32 bytes" % key)
    size = body.get("n")
    if not isinstance(size, int) or not 0 < size <= 2 * MAX_IMAGE_SIZE:
        raise ProtocolError(f"image: delta base of {size!r} bytes")
    return body["b"], size, body["s"], body["r"], body["f"]

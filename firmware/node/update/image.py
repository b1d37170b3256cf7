"""Verification of a signed MCUboot image in a file, in pieces and with bounded memory.

Nothing of the image is used before hash, key hash and signature fit: after that it is what the
holder of the release key made, and board, security counter and sizes say whether it is for us.
"""

import asyncio
from binascii import hexlify
from hashlib import sha256

from protocol import image as layout
from protocol.errors import ProtocolError

from . import pss, refusal
from .refusal import Refused

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PIECE = 512  # bytes hashed between two turns of the other tasks
MAX_SIZE = 256 * 1024  # of the signed file, on any flash; budget.py says what fits this one
MAX_INFLATED = 320 * 1024


class ImageInfo:
    """What a verified image says of itself.

    Attributes:
        version: (major, minor, revision, build); version_text: "major.minor.revision".
        hash: MCUboot image hash, 32 bytes; of a delta that of its result.
        security_counter: as in its TLV, 0 or more.
        board: board id.
        payload_offset, payload_size: where the deflated ROMFS is in the file, bytes.
        inflated_size, inflated_sha: size in bytes and SHA-256 of the ROMFS.
        upload_sha: SHA-256 of the whole file, of a delta that of its result's.
        base: None, or of a delta (image hash, bytes of ROMFS, SHA-256 of it) of its base.
    """

    def __init__(self):
        self.version = (0, 0, 0, 0)
        self.version_text = ""
        self.hash = b""
        self.security_counter = 0
        self.board = ""
        self.payload_offset = 0
        self.payload_size = 0
        self.inflated_size = 0
        self.inflated_sha = b""
        self.upload_sha = b""
        self.base: Any = None


def parse_head(data: bytes, length: int) -> tuple:
    """(header size, payload size, protected TLV size, version) from the first 32 bytes.

    length: of the whole file, bytes. Raises Refused when it can be no image of that length.
    """
    if len(data) < layout.HEADER_SIZE:
        raise Refused(refusal.TRUNCATED, "image of %d bytes, its header alone has 32" % len(data))
    if int.from_bytes(data[:4], "little") != layout.MAGIC:
        raise Refused(refusal.MAGIC, "not an MCUboot image: magic %s" % _hex(data[:4]))
    try:
        header, payload, protected, version = layout.parse_header(data)
    except ProtocolError as error:
        raise Refused(refusal.HEADER, str(error)) from None
    if header + payload + protected + layout.TLV_INFO_SIZE > length:
        raise Refused(
            refusal.TRUNCATED,
            "image of %d bytes, its header speaks of more than %d"
            % (length, header + payload + protected),
        )
    rest = length - header - payload - protected
    if rest > layout.MAX_TLV_SIZE:
        raise Refused(refusal.TLV, "%d bytes after the payload, expected TLVs" % rest)
    return header, payload, protected, version


async def verify(
    file, length: int, release_key: bytes, board: str, minimum_counter: int, upload_sha=None
) -> ImageInfo:
    """Verify the image in `file` (open for reading, seekable, `length` bytes).

    release_key: RSA-3072 modulus, 384 bytes; board: this node's board id; minimum_counter: lowest
    acceptable security counter; upload_sha: SHA-256 the whole file must have, None when unknown.
    Raises Refused. Yields to other tasks every PIECE bytes.
    """
    if length > MAX_SIZE:
        raise Refused(
            refusal.TOO_LARGE, "image of %d bytes, at most %d are taken" % (length, MAX_SIZE)
        )
    file.seek(0)
    header, payload, protected, version = parse_head(file.read(layout.HEADER_SIZE), length)
    covered = header + payload + protected
    digest, whole = await _digests(file, covered, length)
    if upload_sha is not None and whole != upload_sha:
        raise Refused(
            refusal.UPLOAD_HASH, "the file arrived altered: its SHA-256 is %s" % _hex(whole)
        )
    file.seek(header + payload)
    inner = _area(file.read(protected), layout.TLV_PROTECTED_MAGIC) if protected else []
    outer = _area(file.read(length - covered), layout.TLV_MAGIC)
    _authenticate(outer, digest, release_key)
    info = _suitable(inner, board, minimum_counter)
    info.version = version
    info.version_text = "%d.%d.%d" % version[:3]
    info.payload_offset = header
    info.payload_size = payload
    if info.base is None:
        info.hash = digest
        info.upload_sha = whole
        return info
    file.seek(header)
    if layout.parse_delta_preface(file.read(layout.DELTA_PREFACE)) != (info.base[0], info.hash):
        raise Refused(refusal.DELTA, "delta: its payload and its description do not fit")
    info.payload_offset += layout.DELTA_PREFACE
    info.payload_size -= layout.DELTA_PREFACE
    return info


def _authenticate(outer: list, digest: bytes, release_key: bytes) -> None:
    """Hash, key and signature, in this order: an altered image is told from a foreign one."""
    stated = _one(outer, layout.TLV_SHA256)
    if stated is None:
        raise Refused(refusal.NO_HASH, "the image has no SHA-256 TLV")
    if stated != digest:
        raise Refused(
            refusal.HASH,
            "image hash does not fit: expected %s, got %s" % (_hex(stated[:8]), _hex(digest[:8])),
        )
    key = _one(outer, layout.TLV_KEY_HASH)
    signature = _one(outer, layout.TLV_RSA3072_PSS)
    if key is None or signature is None:
        raise Refused(refusal.SIGNATURE, "the image is not signed with RSA-3072")
    expected = pss.key_hash(release_key)
    if key != expected:
        raise Refused(
            refusal.KEY,
            "signed by key %s, this node trusts %s" % (_hex(key[:8]), _hex(expected[:8])),
        )
    if not pss.verify(release_key, digest, signature):
        raise Refused(refusal.SIGNATURE, "the signature does not fit")


def _suitable(inner: list, board: str, minimum_counter: int) -> ImageInfo:
    info = ImageInfo()
    stated = _one(inner, layout.TLV_BOARD)
    if stated is None or stated != board.encode():
        raise Refused(refusal.BOARD, "image for board %r, this is %r" % (_text(stated), board))
    info.board = board
    counter = _one(inner, layout.TLV_SECURITY_COUNTER)
    if counter is None or len(counter) != 4:
        raise Refused(refusal.TLV, "the image has no security counter")
    info.security_counter = int.from_bytes(counter, "little")
    if info.security_counter < minimum_counter:
        raise Refused(
            refusal.SECURITY_COUNTER,
            "security counter %d, at least %d is needed" % (info.security_counter, minimum_counter),
        )
    if info.security_counter > 0x7FFFFFFF:
        raise Refused(refusal.TLV, "security counter above 2147483647")
    description = _one(inner, layout.TLV_PAYLOAD)
    if description is None:
        raise Refused(refusal.TLV, "the image does not describe its payload")
    delta = _one(inner, layout.TLV_DELTA)
    try:
        if delta is None:
            size, sha = layout.parse_payload_description(description)
        else:
            size, sha = layout.parse_payload_description(description, layout.DELTA)
            base, base_size, base_sha, info.hash, info.upload_sha = layout.parse_delta_description(
                delta
            )
            info.base = (base, base_size, base_sha)
    except ProtocolError as error:
        raise Refused(refusal.TLV, str(error)) from None
    if size > MAX_INFLATED:
        raise Refused(
            refusal.TOO_LARGE,
            "payload of %d bytes when inflated, at most %d are taken" % (size, MAX_INFLATED),
        )
    info.inflated_size = size
    info.inflated_sha = sha
    return info


def _area(data: bytes, magic: int) -> list:
    """The TLVs of an area that has to fill `data` exactly."""
    try:
        entries = layout.parse_tlvs(data, magic)
    except ProtocolError as error:
        raise Refused(refusal.TLV, str(error)) from None
    used = layout.TLV_INFO_SIZE
    for _, value in entries:
        used += layout.TLV_HEAD_SIZE + len(value)
    if used != len(data):
        raise Refused(refusal.TLV, "TLV area of %d bytes in a space of %d" % (used, len(data)))
    return entries


def _one(entries: list, kind: int):
    try:
        return layout.find(entries, kind)
    except ProtocolError as error:
        raise Refused(refusal.TLV, str(error)) from None


async def _digests(file, covered: int, length: int) -> tuple:
    """SHA-256 of the first `covered` bytes, and of all `length` bytes."""
    image_digest = sha256()
    whole = sha256()
    buffer = bytearray(PIECE)
    view = memoryview(buffer)
    file.seek(0)
    at = 0
    while at < length:
        count = file.readinto(view[: min(PIECE, length - at)])
        if not count:
            raise Refused(refusal.TRUNCATED, "file ends at %d of %d bytes" % (at, length))
        piece = view[:count]
        whole.update(piece)
        if at < covered:
            image_digest.update(piece[: covered - at])
        at += count
        await asyncio.sleep(0)
    return image_digest.digest(), whole.digest()


def _hex(data: bytes) -> str:
    return hexlify(data).decode()


def _text(data) -> str:
    if data is None:
        return ""
    return "".join([chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in data[:32]])

"""Signed MCUboot images: made, signed and looked at with `imgtool`'s own library."""

# imgtool carries no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from imgtool.image import TLV, Image
from imgtool.version import SemiSemVersion, decode_version

from firmware.build import payload
from firmware.build.errors import BuildError
from firmware.build.keys import PrivateKey, PublicKey
from firmware.node.update import selftest
from firmware.node.update.budget import Budget
from firmware.node.update.image import MAX_SIZE
from firmware.node.update.refusal import Refused
from protocol import image as layout
from protocol.errors import ProtocolError

DEFAULT_BOARD = "esp32s3-ref"
# The flash of a node, in blocks of littlefs; what fits it is shared out by its `Budget`.
BLOCK_SIZE = 4096
FLASH_BLOCKS = 512
# Of them the boot stage's and what starts it, on stock MicroPython.
BOOT_STAGE_BLOCKS = 14
_SIGNED_TLVS = 4 + (4 + 32) + (4 + 32) + (4 + 384)


@dataclass(frozen=True)
class DeltaInfo:
    """What a delta is made from and makes.

    Attributes:
        base_hash: MCUboot's hash of the whole release that has to run; 32 bytes.
        result_hash: of the whole release that comes of it.
        result_file_sha256: SHA-256 of the signed file of that release, 32 bytes.
    """

    base_hash: bytes
    result_hash: bytes
    result_file_sha256: bytes


@dataclass(frozen=True)
class ImageInfo:
    """What an image says of itself.

    Attributes:
        version: such as "1.2.3".
        board: board id it is for.
        security_counter: a node refuses images with a lower one than its own.
        image_hash: MCUboot's hash, over header, payload and protected TLVs; 32 bytes.
        file_sha256: SHA-256 of the whole file, 32 bytes.
        size: bytes of the whole file.
        payload_size: bytes of the deflated payload.
        inflated_size: bytes of the ROMFS image in it.
        key_hash: hash of the key that signed it, None when it is unsigned.
        verified: whether the signature fits the key that was given; None without a key.
        delta: None, or of a delta what it is made from and makes.
    """

    version: str
    board: str
    security_counter: int
    image_hash: bytes
    file_sha256: bytes
    size: int
    payload_size: int
    inflated_size: int
    key_hash: bytes | None
    verified: bool | None
    delta: DeltaInfo | None = None


@dataclass(frozen=True)
class _Parts:
    covered: bytes  # header, payload and protected TLVs: what is hashed and signed
    header: int
    payload: int
    version: tuple[int, int, int, int]
    inner: list[tuple[int, bytes]]
    outer: list[tuple[int, bytes]]


def build_unsigned(
    version: str,
    board: str,
    security_counter: int,
    overlay: Path | None = None,
    self_test: str = selftest.DEFAULT,
) -> bytes:
    """Header, payload and protected TLVs of a release: the same inputs give the same bytes.

    Args:
        version: "major.minor.revision".
        board: board id, 1 to 32 characters: one of ``firmware/boards``, whose pins it drives,
            unless the overlay has ``node/pins.py``.
        security_counter: 0 to 2147483647; raise it when older releases must never run again.
        overlay: a folder with ``node/`` or ``protocol/`` whose files replace or add to ours.
        self_test: checks that have to be well before a node keeps it, such as "lamp,log,bus".

    Raises:
        BuildError: an argument is outside its bounds, a source does not compile, or the image
            is more than a node takes.
    """
    numbers = _version(version)
    short = (numbers.major, numbers.minor, numbers.revision)
    return wrap(
        payload.application(short, overlay, self_test, board),
        version,
        board,
        security_counter,
    )


def wrap(romfs: bytes, version: str, board: str, security_counter: int) -> bytes:
    """An unsigned image around a ROMFS image; see :func:`build_unsigned`."""
    described = layout.payload_description(len(romfs), hashlib.sha256(romfs).digest())
    return enclose(
        payload.deflated(romfs),
        {layout.TLV_PAYLOAD: described},
        version,
        board,
        security_counter,
    )


def enclose(
    body: bytes, tlvs: dict[int, bytes], version: str, board: str, security_counter: int
) -> bytes:
    """An unsigned image with `body` as its payload and `tlvs` protected beside those of all images.

    Raises:
        BuildError: an argument is outside its bounds, or the image is more than a node takes.
    """
    numbers = _version(version)
    if not (board.isascii() and board.isprintable() and 0 < len(board) <= 32):
        raise BuildError(f"expected 1 to 32 characters for the board, got {board!r}")
    if not 0 <= security_counter <= 0x7FFFFFFF:
        raise BuildError(f"expected 0 to 2147483647, got security counter {security_counter}")
    image = Image(
        version=numbers,
        header_size=layout.HEADER_SIZE,
        pad_header=True,
        security_counter=security_counter,
    )
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "payload.bin")
        file.write_bytes(body)
        image.load(str(file))
        image.create(None, "hash", None, custom_tlvs={layout.TLV_BOARD: board.encode(), **tlvs})
    unsigned = _parts(bytes(image.payload)).covered
    if len(unsigned) + _SIGNED_TLVS > MAX_SIZE:
        raise BuildError(
            f"image of {len(unsigned) + _SIGNED_TLVS} bytes, a node takes at most {MAX_SIZE}"
        )
    try:
        budget = Budget(FLASH_BLOCKS, BLOCK_SIZE, boot_stage=BOOT_STAGE_BLOCKS)
        budget.check_image(len(unsigned) + _SIGNED_TLVS)
    except Refused as refused:
        raise BuildError(f"a node would refuse this: {refused.text}") from refused
    return unsigned


def sign(unsigned: bytes, key: PrivateKey) -> bytes:
    """The image that nodes take: hash, key hash and RSA-3072-PSS signature appended.

    What is signed already is signed anew. Raises BuildError when it is no image.
    """
    covered = _parts(unsigned).covered
    tlv = TLV("little")
    tlv.add("SHA256", hashlib.sha256(covered).digest())
    tlv.add("KEYHASH", key.key_hash)
    tlv.add("RSA3072", key.sign(covered))
    return covered + tlv.get()


def inspect(data: bytes, public_key: PublicKey | None = None) -> ImageInfo:
    """What the image says of itself, and whether `public_key` verifies it.

    Raises:
        BuildError: it is no whole image, or its hash does not fit.
    """
    parts = _parts(data)
    digest = hashlib.sha256(parts.covered).digest()
    try:
        stated = layout.find(parts.outer, layout.TLV_SHA256)
        key_hash = layout.find(parts.outer, layout.TLV_KEY_HASH)
        signature = layout.find(parts.outer, layout.TLV_RSA3072_PSS)
        board = layout.find(parts.inner, layout.TLV_BOARD)
        counter = layout.find(parts.inner, layout.TLV_SECURITY_COUNTER)
        description = layout.find(parts.inner, layout.TLV_PAYLOAD)
        if board is None or counter is None or description is None:
            raise BuildError("the image does not name its board, security counter and payload")
        described = layout.find(parts.inner, layout.TLV_DELTA)
        delta = None
        encoding = layout.DEFLATE
        if described is not None:
            base_hash, _, _, result_hash, result_file = layout.parse_delta_description(described)
            delta = DeltaInfo(base_hash, result_hash, result_file)
            encoding = layout.DELTA
        inflated_size, _ = layout.parse_payload_description(description, encoding)
    except ProtocolError as error:
        raise BuildError(str(error)) from error
    if stated is not None and stated != digest:
        raise BuildError(f"expected image hash {stated.hex()}, got {digest.hex()}: it is damaged")
    verified = None
    if public_key is not None:
        verified = (
            signature is not None
            and key_hash == public_key.key_hash
            and public_key.verifies(signature, parts.covered)
        )
    return ImageInfo(
        version=".".join(map(str, parts.version[:3])),
        board=board.decode("ascii", "replace"),
        security_counter=int.from_bytes(counter, "little"),
        image_hash=digest,
        file_sha256=hashlib.sha256(data).digest(),
        size=len(data),
        payload_size=parts.payload,
        inflated_size=inflated_size,
        key_hash=key_hash,
        verified=verified,
        delta=delta,
    )


def romfs_of(data: bytes) -> tuple[bytes, bytes]:
    """The ROMFS image in `data` and the SHA-256 it should have. Raises BuildError."""
    parts = _parts(data)
    info = inspect(data)
    if info.delta is not None:
        raise BuildError("expected a whole release, got a delta")
    description = layout.find(parts.inner, layout.TLV_PAYLOAD)
    assert description is not None  # noqa: S101 - inspect has found it
    packed = parts.covered[parts.header : parts.header + parts.payload]
    return (
        payload.inflated(packed, info.inflated_size),
        layout.parse_payload_description(description)[1],
    )


def _version(text: str) -> SemiSemVersion:
    try:
        numbers = decode_version(text)
    except ValueError as error:
        raise BuildError(f"expected a version such as 1.2.3, got {text!r}") from error
    if text != f"{numbers.major}.{numbers.minor}.{numbers.revision}" or not (
        numbers.major < 256 and numbers.minor < 256 and numbers.revision < 65536
    ):
        raise BuildError(f"expected a version from 0.0.0 to 255.255.65535, got {text!r}")
    return numbers


def _parts(data: bytes) -> _Parts:
    try:
        header, size, protected, version = layout.parse_header(data)
        end = header + size + protected
        if len(data) < end:
            raise BuildError(f"image of {len(data)} bytes, its header says {end}")
        inner = layout.parse_tlvs(data[header + size : end], layout.TLV_PROTECTED_MAGIC)
        outer = layout.parse_tlvs(data[end:], layout.TLV_MAGIC) if len(data) > end else []
    except ProtocolError as error:
        raise BuildError(str(error)) from error
    return _Parts(data[:end], header, size, version, inner, outer)

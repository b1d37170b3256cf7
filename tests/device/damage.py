"""Images that a node has to refuse: one for each way an image can be wrong or damaged."""

import hashlib
import struct
from collections.abc import Callable

from firmware.build import sign
from firmware.build.image import wrap
from firmware.build.payload import compiled, deflated, romfs
from firmware.node.update import refusal
from firmware.node.update.store import MAX_FILES
from protocol import image as layout
from tests.device.update_images import BOARD, Bench, payload

Wanted = tuple[bytes, int, str]
_APP = compiled("node/app.py", b"")


def tlvs(magic: int, entries: list[tuple[int, bytes]]) -> bytes:
    body = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in entries)
    return struct.pack("<HH", magic, len(body) + 4) + body


def assemble(
    packed: bytes,
    inner: list[tuple[int, bytes]] | None = None,
    size: int | None = None,
    protected: int | None = None,
) -> bytes:
    """Header, payload and protected TLVs by hand, for what the builder would not make."""
    area = tlvs(layout.TLV_PROTECTED_MAGIC, inner) if inner is not None else b""
    head = struct.pack(
        "<IIHHIIBBHII",
        layout.MAGIC,
        0,
        32,
        len(area) if protected is None else protected,
        len(packed) if size is None else size,
        0,
        2,
        0,
        0,
        0,
        0,
    )
    return head + packed + area


def inner(plain: bytes, board: bytes = BOARD.encode(), counter: int = 4) -> list[tuple[int, bytes]]:
    return [
        (layout.TLV_SECURITY_COUNTER, struct.pack("<I", counter)),
        (layout.TLV_BOARD, board),
        (
            layout.TLV_PAYLOAD,
            layout.payload_description(len(plain), hashlib.sha256(plain).digest()),
        ),
    ]


def signed(bench: Bench, covered: bytes) -> bytes:
    digest = hashlib.sha256(covered).digest()
    return covered + tlvs(
        layout.TLV_MAGIC,
        [
            (layout.TLV_SHA256, digest),
            (layout.TLV_KEY_HASH, bench.key.key_hash),
            (layout.TLV_RSA3072_PSS, bench.key.sign(covered)),
        ],
    )


def images(bench: Bench) -> dict[str, Wanted]:
    """Name to (image, refusal code, part of the reason)."""
    plain = payload("2.0.0")
    good = sign(wrap(plain, "2.0.0", BOARD, 4), bench.key)
    covered = len(wrap(plain, "2.0.0", BOARD, 4))
    return {
        **_damaged(good, covered),
        **_foreign(bench, plain, good, covered),
        **_payloads(bench, plain),
    }


def _flipped(data: bytes, at: int, bit: int = 1) -> bytes:
    return data[:at] + bytes((data[at] ^ bit,)) + data[at + 1 :]


def _damaged(good: bytes, covered: int) -> dict[str, Wanted]:
    return {
        "magic_flipped": (_flipped(good, 0), refusal.MAGIC, "not an MCUboot image"),
        "version_flipped": (_flipped(good, 20), refusal.HASH, "image hash does not fit"),
        "header_size_flipped": (_flipped(good, 9, 8), refusal.HEADER, "header of"),
        "size_flipped": (_flipped(good, 15), refusal.HEADER, "impossible sizes"),
        "payload_flipped": (_flipped(good, 1000), refusal.HASH, "image hash does not fit"),
        "protected_flipped": (_flipped(good, covered - 1), refusal.HASH, "image hash"),
        "hash_flipped": (_flipped(good, covered + 8), refusal.HASH, "image hash does not fit"),
        "key_flipped": (_flipped(good, covered + 8 + 36), refusal.KEY, "this node trusts"),
        "signature_flipped": (_flipped(good, len(good) - 1), refusal.SIGNATURE, "does not fit"),
        "signature_top_flipped": (
            _flipped(good, len(good) - 384, 0x80),
            refusal.SIGNATURE,
            "does not fit",
        ),
        "tlv_magic_flipped": (_flipped(good, covered), refusal.TLV, "TLV magic"),
        "tlv_length_flipped": (_flipped(good, covered + 2), refusal.TLV, "TLV"),
        "cut_in_header": (good[:20], refusal.TRUNCATED, "header alone has 32"),
        "cut_in_payload": (good[:1500], refusal.TRUNCATED, "its header speaks of"),
        "cut_in_tlvs": (good[:-10], refusal.TLV, "TLV area"),
        "cut_before_tlvs": (good[:covered], refusal.TRUNCATED, "its header speaks of"),
        "longer": (good + b"\xff", refusal.TLV, "in a space of"),
        "much_longer": (good + bytes(5000), refusal.TLV, "bytes after the payload"),
    }


def _foreign(bench: Bench, plain: bytes, good: bytes, covered: int) -> dict[str, Wanted]:
    packed = deflated(plain)
    other = bench.stranger
    without_key = good[:covered] + tlvs(
        layout.TLV_MAGIC, [(layout.TLV_SHA256, good[covered + 8 : covered + 40])]
    )
    # Another's signature under the hash of our key.
    forged = good[:-384] + other.sign(good[:covered])
    tlv: Callable[[list[tuple[int, bytes]]], bytes] = lambda entries: signed(  # noqa: E731
        bench, assemble(packed, entries)
    )
    entries = inner(plain)
    return {
        "other_key": (sign(good, other), refusal.KEY, "this node trusts"),
        "forged": (forged, refusal.SIGNATURE, "the signature does not fit"),
        "unsigned": (without_key, refusal.SIGNATURE, "not signed with RSA-3072"),
        "no_hash": (good[:covered] + tlvs(layout.TLV_MAGIC, []), refusal.NO_HASH, "no SHA-256"),
        "two_hashes": (
            good[:covered] + tlvs(layout.TLV_MAGIC, [(layout.TLV_SHA256, bytes(32))] * 2),
            refusal.TLV,
            "given twice",
        ),
        "other_board": (
            sign(wrap(plain, "2.0.0", "esp32-mini", 4), bench.key),
            refusal.BOARD,
            "image for board 'esp32-mini', this is 'esp32s3-ref'",
        ),
        "no_protected": (signed(bench, assemble(packed)), refusal.BOARD, "image for board ''"),
        "old": (
            sign(wrap(plain, "2.0.0", BOARD, 2), bench.key),
            refusal.SECURITY_COUNTER,
            "security counter 2, at least 3 is needed",
        ),
        "no_counter": (tlv(entries[1:]), refusal.TLV, "no security counter"),
        "huge_counter": (tlv(inner(plain, counter=1 << 31)), refusal.TLV, "above 2147483647"),
        "no_description": (tlv(entries[:2]), refusal.TLV, "does not describe its payload"),
        "bad_description": (
            tlv([*entries[:2], (layout.TLV_PAYLOAD, b"\xa0")]),
            refusal.TLV,
            "payload encoding",
        ),
        "huge_payload": (
            tlv(
                [*entries[:2], (layout.TLV_PAYLOAD, layout.payload_description(400_000, bytes(32)))]
            ),
            refusal.TOO_LARGE,
            "400000 bytes when inflated",
        ),
    }


def _record(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + _number(len(body)) + body


def _number(value: int) -> bytes:
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.insert(0, 0x80 | value & 0x7F)
    return bytes(digits)


def _name(name: bytes) -> bytes:
    return _number(len(name)) + name


def _image(records: bytes) -> bytes:
    return b"\xd2\xcd\x31" + _number(len(records)) + records


def _payloads(bench: Bench, plain: bytes) -> dict[str, Wanted]:
    """Well signed, but with a payload that is not what a builder of ours would make."""

    def of(romfs_image: bytes, packed: bytes | None = None) -> bytes:
        return signed(bench, assemble(packed or deflated(romfs_image), inner(romfs_image)))

    def file(name: bytes, data: bytes = _APP) -> bytes:
        return _record(5, _name(name) + _record(2, data))

    def folder(name: bytes, inside: bytes) -> bytes:
        return _record(4, _name(name) + inside)

    deep = file(b"app.mpy")
    for _ in range(6):
        deep = folder(b"node", deep)
    broken = refusal.PAYLOAD
    many = b"".join(file(f"m{index}.mpy".encode()) for index in range(MAX_FILES + 1))
    other_arch = b"M\x06" + bytes((10 << 2, 31)) + _APP[4:]
    return {
        "not_deflated": (of(plain, b"\xff" * 500), broken, "cannot be inflated"),
        "deflated_short": (of(plain, deflated(plain[:900])), broken, "ends at byte"),
        "other_contents": (of(plain, deflated(_flipped(plain, len(plain) - 9))), broken, "SHA-256"),
        "no_romfs": (of(bytes(600)), broken, "no ROMFS image"),
        "romfs_length": (of(plain + b"\0"), broken, "its header says"),
        "record_too_long": (of(_image(b"\x04\x50\x04node")), broken, "longer than what holds it"),
        "file_too_long": (
            of(_image(folder(b"node", _record(5, _name(b"app.mpy") + b"\x02\x60abc")))),
            broken,
            "longer than its record",
        ),
        "number_without_end": (of(_image(b"\xff" * 40)), broken, "a number does not end"),
        "name_too_long": (of(_image(_record(4, b"\x7fnode"))), broken, "a name of 127 bytes"),
        "name_unprintable": (of(_image(_record(4, _name(b"no\ne")))), broken, "a name with byte"),
        "too_deep": (of(_image(deep)), broken, "folders deep"),
        "pointer": (
            of(_image(folder(b"node", _record(5, _name(b"app.mpy") + _record(3, b"\0\0"))))),
            broken,
            "record of kind 3",
        ),
        "file_without_data": (of(_image(_record(5, _name(b"app.mpy")))), broken, "has no data"),
        "climbing": (
            of(_image(folder(b"..", file(b"boot.mpy")))),
            refusal.FILE_NAME,
            "../boot.mpy is not a name",
        ),
        "absolute": (of(_image(file(b"/boot.json"))), refusal.FILE_NAME, "is not a name of ours"),
        "slot_json": (of(_image(file(b"slot.json"))), refusal.FILE_NAME, "is not a name of ours"),
        "other_package": (
            of(_image(folder(b"bootstage", file(b"boot.mpy")))),
            refusal.FILE_NAME,
            "bootstage/boot.mpy is not",
        ),
        "source": (of(_image(folder(b"node", file(b"app.py")))), refusal.FILE_NAME, "node/app.py"),
        "twice": (
            of(_image(folder(b"node", file(b"app.mpy") * 2))),
            refusal.FILE_NAME,
            "is there twice",
        ),
        "too_many": (
            of(_image(folder(b"node", many))),
            refusal.FILE_NAME,
            f"more than {MAX_FILES} files",
        ),
        "nothing_to_start": (of(romfs({"node/other.mpy": _APP})), broken, "no node/app.mpy"),
        "old_bytecode": (
            of(_image(folder(b"node", file(b"app.mpy", b"M\x05" + _APP[2:])))),
            refusal.BYTECODE,
            "not bytecode of version 6",
        ),
        "other_processor": (
            of(_image(folder(b"node", file(b"app.mpy", other_arch)))),
            refusal.BYTECODE,
            "for another processor",
        ),
        "empty_file": (
            of(_image(folder(b"node", file(b"app.mpy", b"")))),
            refusal.BYTECODE,
            "too short",
        ),
        "too_much_for_a_slot": (
            of(_image(folder(b"node", file(b"app.mpy", _APP + bytes(145_000))))),
            refusal.TOO_LARGE,
            "blocks or more when unpacked, at most 36 are taken",
        ),
        "too_much_for_flash": (
            of(_image(folder(b"node", file(b"app.mpy", _APP + bytes(300_000))))),
            refusal.TOO_LARGE,
            "300054 bytes when inflated, at most 147456 are taken (of 96 blocks",
        ),
    }

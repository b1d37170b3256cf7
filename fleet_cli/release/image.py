"""A release file as the desk sees it: checked before anything of it is sent to a street."""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from firmware.build import BuildError, ImageInfo, PrivateKey, PublicKey
from firmware.build import inspect as inspect_image
from firmware.build import load_key as build_load_key
from firmware.build import load_public_key as build_load_public_key
from firmware.build.image import romfs_of
from fleet_cli.errors import BadInput, Failed, reason_of
from fleet_cli.release import romfs
from protocol import image as layout

_TLV_NAMES = {
    layout.TLV_KEY_HASH: "key hash",
    layout.TLV_SHA256: "SHA-256",
    layout.TLV_RSA3072_PSS: "RSA-3072-PSS signature",
    layout.TLV_SECURITY_COUNTER: "security counter",
    layout.TLV_BOARD: "board",
    layout.TLV_PAYLOAD: "payload description",
}


@dataclass(frozen=True)
class SignedImage:
    """What a rollout needs of a release.

    Attributes:
        data: the file.
        digest: its SHA-256, hex.
        version: such as "1.4.0".
        hash: MCUboot's image hash, hex.
        board: the hardware family it is for.
        security_counter: lampposts with a higher one refuse it.
    """

    data: bytes
    digest: str
    version: str
    hash: str
    board: str
    security_counter: int


def load(path: Path, key: PublicKey | None = None) -> tuple[bytes, ImageInfo]:
    """The file and what it says of itself.

    Raises:
        BadInput: it cannot be read, or is no whole image.
    """
    try:
        with path.open("rb") as file:
            # One byte more than can be right tells that it is too large without reading it all.
            data = file.read(layout.MAX_IMAGE_SIZE + 3 * layout.MAX_TLV_SIZE)
        return data, inspect_image(data, key)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {reason_of(error)}") from error
    except BuildError as error:
        raise BadInput(f"{path}: {error}") from error


def load_signed(path: Path, key: PublicKey | None = None) -> SignedImage:
    """A release to roll out.

    Raises:
        BadInput: it is no whole image, is not signed, or not with `key`.
    """
    data, info = load(path, key)
    if info.key_hash is None:
        raise BadInput(f"{path}: it is not signed; see: lamplighter release sign --help")
    if info.verified is False:
        raise BadInput(f"{path}: it is not signed with the key given, or has been changed since")
    return SignedImage(
        data,
        info.file_sha256.hex(),
        info.version,
        info.image_hash.hex(),
        info.board,
        info.security_counter,
    )


def private_key(path: Path) -> PrivateKey:
    """A release key to sign with.

    Raises:
        BadInput: there is none in `path`.
    """
    try:
        return build_load_key(path)
    except (BuildError, OSError) as error:
        raise _no_key(path, error) from error


def public_key(path: Path) -> PublicKey:
    """A release key to verify with; a file with the private one will do.

    Raises:
        BadInput: there is none in `path`.
    """
    try:
        return build_load_public_key(path)
    except (BuildError, OSError) as error:
        raise _no_key(path, error) from error


def _no_key(path: Path, error: BuildError | OSError) -> BadInput:
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError):
        return BadInput(f"--key {path}: cannot be read: {reason_of(cause)}")
    if cause is not None:  # a library's words, which help nobody at a desk
        return BadInput(
            f"--key {path}: expected an RSA-3072 key as a PEM file, and it is none; "
            "one is made by: lamplighter release keygen"
        )
    return BadInput(f"--key: {error}")  # which names the file itself


def describe(path: Path, key: PublicKey | None) -> dict[str, Any]:
    """Everything in a release: header, TLVs, payload files, and whether `key` verifies it.

    Raises:
        BadInput: it is no whole image, or its payload cannot be unpacked.
    """
    data, info = load(path, key)
    header, size, protected, version = layout.parse_header(data)
    end = header + size + protected
    areas = {"protected": layout.parse_tlvs(data[header + size : end], layout.TLV_PROTECTED_MAGIC)}
    if len(data) > end:
        areas["unprotected"] = layout.parse_tlvs(data[end:], layout.TLV_MAGIC)
    return {
        "file": str(path),
        "size": info.size,
        "sha256": info.file_sha256.hex(),
        "header": {
            "version": info.version,
            "build": version[3],
            "header_size": header,
            "payload_size": size,
            "protected_tlv_size": protected,
        },
        "tlvs": [
            {
                "area": area,
                "type": f"0x{kind:04x}",
                "name": _TLV_NAMES.get(kind, "unknown"),
                "size": len(value),
                "value": _tlv_value(kind, value),
            }
            for area, entries in areas.items()
            for kind, value in entries
        ],
        "board": info.board,
        "security_counter": info.security_counter,
        "image_hash": info.image_hash.hex(),
        "signed": info.key_hash is not None,
        "key_hash": info.key_hash.hex() if info.key_hash else None,
        "signature_valid": info.verified,
        "inflated_size": info.inflated_size,
        "files": [{"name": name, "size": length} for name, length in files_in(data, path)],
    }


def _tlv_value(kind: int, value: bytes) -> str:
    if kind == layout.TLV_BOARD:
        return value.decode("ascii", "replace")
    if kind == layout.TLV_SECURITY_COUNTER:
        return str(int.from_bytes(value, "little"))
    if kind == layout.TLV_PAYLOAD:
        size, digest = layout.parse_payload_description(value)
        return f"deflate, {size} bytes inflated, SHA-256 {digest.hex()}"
    return value.hex()


def files_in(data: bytes, path: Path) -> list[tuple[str, int]]:
    """(name, bytes) of each file in the payload, whose digest is checked.

    Raises:
        BadInput: it cannot be unpacked, or is not what the image says.
    """
    try:
        unpacked, digest = romfs_of(data)
        if sha256(unpacked).digest() != digest:
            raise BadInput(f"{path}: the payload's SHA-256 does not fit")
        return romfs.files(unpacked)
    except (BuildError, ValueError) as error:
        raise BadInput(f"{path}: {error}") from error


def write_file(path: Path, data: bytes, *, force: bool) -> None:
    """Write `data` to `path`, whole or not at all.

    Raises:
        BadInput: there is a file already and `force` is not given, or none can be made there.
        Failed: it could not be written to the end.
    """
    if path.exists() and not force:
        raise BadInput(f"{path} is there already; name another with -o, or replace it with --force")
    partial = path.with_name(path.name + ".part")
    try:
        opened = partial.open("wb")
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be made there: {reason_of(error)}; name another place with -o"
        ) from error
    try:
        with opened as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise Failed(f"{path}: could not be written: {reason_of(error)}") from error

"""The releases and deltas that verified targets metadata names.

Their custom metadata, as `lamplighter release publish` writes it:

    image  {"kind": "image", "board", "version", "security_counter", "hash"}
    delta  {"kind": "delta", "board", "version", "security_counter", "hash", "image", "base",
            "base_version"}

hash and base are MCUboot's hashes of releases, image is the SHA-256 of the file of the release that
comes of a delta; all of them hexadecimal.
"""

# python-tuf documents these names here, and does not mark them as exported.
# pyright: reportPrivateImportUsage=false
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from tuf.api.metadata import TargetFile

from gateway.updates.images import LARGEST
from gateway.updates.trusted import Delta, TrustedImage

_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Described(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)
    board: Annotated[str, Field(min_length=1, max_length=32)]
    version: Annotated[str, Field(pattern=r"^\d{1,3}\.\d{1,3}\.\d{1,5}$")]
    security_counter: Annotated[int, Field(ge=0, le=0x7FFFFFFF)]
    hash: _Hash


class _Image(_Described):
    kind: Literal["image"]


class _Delta(_Described):
    kind: Literal["delta"]
    image: _Hash
    base: _Hash


_CUSTOM: TypeAdapter[_Image | _Delta] = TypeAdapter(
    Annotated[_Image | _Delta, Field(discriminator="kind")]
)


@dataclass(frozen=True)
class Catalogue:
    """What the metadata names, and until when it holds.

    Attributes:
        expires: when the first of the metadata expires, UTC.
        signed: when the newest of it was signed, Unix seconds; 0 where it does not say.
        images: the releases, by the SHA-256 of their files (hexadecimal).
        paths: the target path of every file, by its SHA-256.
        unusable: target paths whose length, hash or custom metadata are not as they should be.
    """

    expires: datetime
    signed: int = 0
    images: dict[str, TrustedImage] = field(default_factory=dict[str, TrustedImage])
    paths: dict[str, str] = field(default_factory=dict[str, str])
    unusable: tuple[str, ...] = ()


def read(targets: Iterable[TargetFile], expires: datetime, signed: int) -> Catalogue:
    """The catalogue of `targets`, whose signatures have been verified.

    A target that is not described as above is left out: nothing can be said of it.
    """
    images: dict[str, TrustedImage] = {}
    paths: dict[str, str] = {}
    deltas: dict[str, list[Delta]] = {}
    unusable: list[str] = []
    for target in targets:
        try:
            described = _CUSTOM.validate_python(target.custom)
        except ValidationError:
            unusable.append(target.path)
            continue
        sha = target.hashes.get("sha256", "")
        if not 0 < target.length <= LARGEST or len(sha) != 64:
            unusable.append(target.path)
            continue
        paths[sha] = target.path
        if isinstance(described, _Delta):
            made = Delta(described.base, sha, target.length)
            deltas.setdefault(described.image, []).append(made)
        else:
            images[sha] = TrustedImage(
                sha,
                target.length,
                described.hash,
                described.board,
                described.version,
                described.security_counter,
            )
    for sha, made in deltas.items():
        if sha in images:
            ordered = tuple(sorted(made, key=lambda delta: delta.size))
            images[sha] = replace(images[sha], deltas=ordered)
    return Catalogue(expires, signed, images, paths, tuple(unusable))

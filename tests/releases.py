"""A city's release repository for tests: real metadata, small images."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import TargetFile  # pyright: ignore[reportPrivateImportUsage]
from tuf.ngclient import FetcherInterface

from firmware.build import PrivateKey, sign
from firmware.build.image import wrap
from fleet_cli.release.catalogue import Catalogue
from fleet_cli.release.image import SignedImage
from fleet_cli.release.repository import Lifetimes, Repository
from fleet_cli.release.rolekeys import RoleKeys

NOW = datetime(2026, 6, 21, 12, 0, tzinfo=UTC)
BOARD = "esp32s3-ref"


def signed_image(version: str, size: int = 2000, board: str = BOARD) -> SignedImage:
    """What a release file is to a repository; its contents are no image."""
    data = sha256(f"{version} {board}".encode()).digest() * (size // 32)
    hash_ = sha256(data + b"covered").hexdigest()
    return SignedImage(data, sha256(data).hexdigest(), version, hash_, board, 1)


def release_files(folder: Path, key: PrivateKey, *versions: str) -> list[Path]:
    """Signed images of a small payload, which differ in a few bytes."""
    paths: list[Path] = []
    noise = b"".join(sha256(bytes((number,))).digest() for number in range(250))
    for version in versions:
        image = sign(wrap(noise + version.encode(), version, BOARD, 1), key)
        paths.append(folder / f"v{version}.bin")
        paths[-1].write_bytes(image)
    return paths


class City:
    """A repository in `folder` and the time there."""

    def __init__(
        self, folder: Path, lifetimes: Lifetimes | None = None, now: datetime = NOW
    ) -> None:
        self.folder = folder / "repository"
        self.now = now
        self.repository = Repository(
            self.folder, RoleKeys(folder / "keys"), lifetimes, lambda: self.now
        )
        self.repository.create()
        self.root = (self.folder / "metadata" / "1.root.json").read_bytes()

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.repository.targets, self.folder / "targets")

    def publish(self, *images: SignedImage) -> None:
        for image in images:
            self.catalogue.add(image, 0, None, replace=False)
        self.repository.renew({"targets"})

    def add_delta(self, base: SignedImage, image: SignedImage, size: int = 100) -> str:
        """Name a delta in the metadata; gives its SHA-256."""
        data = sha256(f"{base.version} {image.version}".encode()).digest() * (size // 32)
        path = f"{image.board}/{image.version}.from-{base.version}.delta"
        target = TargetFile.from_data(path, data, ["sha256"])
        target.unrecognized_fields["custom"] = {
            "kind": "delta", "board": image.board, "version": image.version,
            "security_counter": 1, "hash": image.hash, "image": image.digest, "base": base.hash,
            "base_version": base.version,
        }  # fmt: skip
        self.repository.targets.targets[path] = target
        self.repository.renew({"targets"})
        return sha256(data).hexdigest()

    def later(self, **passed: float) -> None:
        self.now += timedelta(**passed)

    def files(self) -> dict[str, bytes]:
        """The metadata as it stands: name to contents."""
        return {path.name: path.read_bytes() for path in (self.folder / "metadata").iterdir()}


class Served(FetcherInterface):
    """Gives the files in `files`; `meddle(name, contents)` may give others."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.meddle: Callable[[str, bytes | None], bytes | Iterator[bytes] | None] = (
            lambda _, contents: contents
        )
        self.asked: list[str] = []

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = unquote(re.sub(r"^.*[:/]", "", url))
        self.asked.append(name)
        contents = self.meddle(name, self.files.get(name))
        if contents is None:
            raise DownloadHTTPError(f"no {name}", 404)
        return iter((contents,)) if isinstance(contents, bytes) else contents

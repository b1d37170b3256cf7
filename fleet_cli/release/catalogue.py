"""What a repository's targets are: releases by board and version, and the deltas between them.

Their custom metadata (a gateway reads it, gateway/updates/catalogue.py):

    image  {"kind": "image", "board", "version", "security_counter", "hash"}
    delta  {"kind": "delta", "board", "version", "security_counter", "hash", "image", "base",
            "base_version"}

hash and base are MCUboot's hashes of releases, image is the SHA-256 of the file of the release that
comes of a delta; all of them hexadecimal.
"""

# python-tuf documents these names here, and does not mark them as exported.
# pyright: reportPrivateImportUsage=false
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import TargetFile, Targets

from firmware.build import BuildError, PrivateKey, build_delta, sign
from fleet_cli.errors import BadInput, reason_of
from fleet_cli.release.image import SignedImage
from fleet_cli.release.metadata_files import write_whole

# A board's name becomes a folder's.
_BOARD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


@dataclass
class Changes:
    """What was done to a repository's targets.

    Attributes:
        images: paths of the releases added.
        deltas: (path, bytes) of the deltas added.
        dropped: paths that are targets no more.
        notes: what is worth knowing of it, for people.
    """

    images: list[str] = field(default_factory=list[str])
    deltas: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    dropped: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])


class Catalogue:
    """The targets of a repository and their files, in `folder`.

    Nothing that is no target any more is removed from the folder before `sweep`: metadata that is
    in force may still name it.
    """

    def __init__(self, targets: Targets, folder: Path) -> None:
        self._targets = targets
        self._folder = folder

    def add(
        self, image: SignedImage, deltas: int, key: PrivateKey | None, *, replace: bool
    ) -> Changes:
        """Add a release, and deltas to it from the newest `deltas` older ones of its board.

        Args:
            image: the release.
            deltas: from how many, at most.
            key: the release key that deltas are signed with; without it there are none.
            replace: whether another release of this version may be there and is to go.

        Raises:
            BadInput: the version is there already with other contents, or a file does not fit.
            Failed: a file could not be written.
        """
        if not _BOARD.fullmatch(image.board):
            raise BadInput(f"board {image.board!r}: expected letters, digits, '.', '_' and '-'")
        changes = Changes()
        path = f"{image.board}/{image.version}.bin"
        known = self._targets.targets.get(path)
        if known is not None:
            if known.hashes.get("sha256") == image.digest:
                changes.notes.append(f"{path} is there already")
                return changes
            if not replace:
                raise BadInput(
                    f"{path}: version {image.version} is there already with other contents; "
                    "give the new one another version, or replace it with --force"
                )
            changes.dropped += self._drop(path)
        custom: dict[str, Any] = {
            "kind": "image",
            "board": image.board,
            "version": image.version,
            "security_counter": image.security_counter,
            "hash": image.hash,
        }
        self._add(path, image.data, custom)
        changes.images.append(path)
        if key is None:
            return changes
        for base in self.releases(image.board, before=image.version)[-deltas:] if deltas else []:
            self._add_delta(base, image, custom, key, changes)
        return changes

    def keep(self, newest: int) -> list[str]:
        """Drop all but the `newest` releases of each board; gives the paths dropped."""
        dropped: list[str] = []
        for board in {path.partition("/")[0] for path in self._targets.targets}:
            for old in self.releases(board)[:-newest]:
                dropped += self._drop(old.path)
        return sorted(dropped)

    def releases(self, board: str, before: str | None = None) -> list[TargetFile]:
        """The releases of `board`, by version, the newest last; those older than `before`."""
        found = [
            target
            for target in self._targets.targets.values()
            if _custom(target).get("kind") == "image"
            and target.custom["board"] == board
            and (before is None or _number(target.custom["version"]) < _number(before))
        ]
        return sorted(found, key=lambda target: _number(target.custom["version"]))

    def files(self) -> list[tuple[str, bytes]]:
        """(SHA-256 in hexadecimal, contents) of each target, checked.

        Raises:
            BadInput: a file is not there, or not what the metadata says.
        """
        return [(t.hashes["sha256"], self._read(t)) for t in self._targets.targets.values()]

    def sweep(self) -> None:
        """Remove the files that are no targets."""
        wanted = {self._file(target) for target in self._targets.targets.values()}
        for path in self._folder.glob("*/*"):
            if path not in wanted:
                path.unlink(missing_ok=True)

    def _add_delta(
        self,
        base: TargetFile,
        image: SignedImage,
        custom: dict[str, Any],
        key: PrivateKey,
        changes: Changes,
    ) -> None:
        base_version = base.custom["version"]
        try:
            data = sign(build_delta(self._read(base), image.data), key)
        except BuildError as error:
            changes.notes.append(f"no delta from {base_version} to {image.version}: {error}")
            return
        path = f"{image.board}/{image.version}.from-{base_version}.delta"
        described = {
            "kind": "delta",
            "image": image.digest,
            "base": base.custom["hash"],
            "base_version": base_version,
        }
        self._add(path, data, {**custom, **described})
        changes.deltas.append((path, len(data)))

    def _add(self, path: str, data: bytes, custom: dict[str, Any]) -> None:
        target = TargetFile.from_data(path, data, ["sha256"])
        target.unrecognized_fields["custom"] = custom
        write_whole(self._file(target), data)
        self._targets.targets[path] = target

    def _drop(self, path: str) -> list[str]:
        """Drop a release and the deltas to and from it."""
        gone = self._targets.targets.pop(path)
        sha, hash_ = gone.hashes["sha256"], gone.custom["hash"]
        deltas = [
            other
            for other, target in self._targets.targets.items()
            if _custom(target).get("image") == sha or _custom(target).get("base") == hash_
        ]
        for other in deltas:
            del self._targets.targets[other]
        return [path, *deltas]

    def _read(self, target: TargetFile) -> bytes:
        path = self._file(target)
        try:
            data = path.read_bytes()
            target.verify_length_and_hashes(data)
        except OSError as error:
            raise BadInput(f"{path}: cannot be read: {reason_of(error)}") from error
        except RepositoryError as error:
            raise BadInput(
                f"{path}: is not what the metadata says ({error}); "
                "bring it back from a copy you trust"
            ) from error
        return data

    def _file(self, target: TargetFile) -> Path:
        return self._folder / target.get_prefixed_paths()[0]


def in_order(images: Sequence[SignedImage]) -> list[SignedImage]:
    """By version, so that each finds its elders there when its deltas are made."""
    return sorted(images, key=lambda image: _number(image.version))


def _custom(target: TargetFile) -> dict[str, Any]:
    custom = target.custom
    return cast("dict[str, Any]", custom) if isinstance(custom, dict) else {}


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))

"""The metadata files of a repository: which of them is current, read and written whole."""

# python-tuf documents these names here, and does not mark them as exported.
# pyright: reportPrivateImportUsage=false
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from fleet_cli.errors import BadInput, Failed, reason_of

TIMESTAMP: Final = "timestamp.json"
_LARGEST: Final = 5_000_000
_KEPT: Final = 10
_NAME: Final = re.compile(r"([1-9]\d{0,8})\.(root|targets|snapshot)\.json")


class MetadataFiles:
    """The files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def there(self) -> bool:
        """Whether there is metadata at all."""
        return (self._folder / TIMESTAMP).exists()

    def load(self) -> dict[str, Metadata[Any]]:
        """What timestamp.json leads to, and the newest root; signatures are not looked at.

        Raises:
            BadInput: a file cannot be read.
            RepositoryError: a file is no metadata.
            KeyError: the snapshot names no targets.
        """
        newest = max(self.versions("root"), default=1)
        root = Metadata[Root].from_bytes(self.read(name_of("root", newest)))
        timestamp = Metadata[Timestamp].from_bytes(self.read(TIMESTAMP))
        version = timestamp.signed.snapshot_meta.version
        snapshot = Metadata[Snapshot].from_bytes(self.read(name_of("snapshot", version)))
        version = snapshot.signed.meta["targets.json"].version
        targets = Metadata[Targets].from_bytes(self.read(name_of("targets", version)))
        return {"root": root, "targets": targets, "snapshot": snapshot, "timestamp": timestamp}

    def read(self, name: str) -> bytes:
        """One file.

        Raises:
            BadInput: it cannot be read.
        """
        path = self._folder / name
        try:
            with path.open("rb") as file:
                return file.read(_LARGEST)
        except OSError as error:
            raise BadInput(f"{path}: cannot be read: {reason_of(error)}") from error

    def write(self, role: str, version: int, data: bytes) -> None:
        """Write one, whole or not at all.

        Raises:
            Failed: it could not be written.
        """
        write_whole(self._folder / name_of(role, version), data)

    def versions(self, role: str) -> list[int]:
        """The versions of `role` that are there, the oldest first."""
        found = (_NAME.fullmatch(path.name) for path in self._folder.glob(f"*.{role}.json"))
        return sorted(int(match[1]) for match in found if match)

    def current(self, versions: Mapping[str, int]) -> list[str]:
        """The names of what a client may ask for, in the order in which they are to be there."""
        return [
            *(name_of("root", version) for version in self.versions("root")),
            name_of("targets", versions["targets"]),
            name_of("snapshot", versions["snapshot"]),
            TIMESTAMP,
        ]

    def outdated(self, versions: Mapping[str, int]) -> list[str]:
        """The names of what nothing leads to any more."""
        return [
            name_of(role, version)
            for role in ("targets", "snapshot")
            for version in self.versions(role)
            if version != versions[role]
        ]

    def digests(self, names: Iterable[str]) -> set[str]:
        """The SHA-256 (hexadecimal) of every file that the targets metadata among `names` names.

        Raises:
            BadInput: a file cannot be read.
        """
        found: set[str] = set()
        for name in names:
            if name.endswith(".targets.json"):
                targets = Metadata[Targets].from_bytes(self.read(name)).signed.targets
                found |= {target.hashes["sha256"] for target in targets.values()}
        return found

    def forget_old(self, versions: Mapping[str, int]) -> None:
        """Remove what has been outdated for long: a client under way may still want the newest."""
        for role in ("targets", "snapshot"):
            for version in self.versions(role):
                if version <= versions[role] - _KEPT:
                    (self._folder / name_of(role, version)).unlink(missing_ok=True)


def name_of(role: str, version: int) -> str:
    """The name of a metadata file."""
    return TIMESTAMP if role == "timestamp" else f"{version}.{role}.json"


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all; its folder is made.

    Raises:
        Failed: it could not be written.
    """
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise Failed(f"{path}: could not be written: {reason_of(error)}") from error

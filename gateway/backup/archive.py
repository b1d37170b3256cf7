"""The file of a backup: a tar archive, gzipped, of the database, the configuration and its files.

`manifest.json` comes first and lists the members with their SHA-256 and the place each came from.
The archive holds keys in clear: those of the lampposts in the configuration, and whatever key and
password files it names. It is made with mode 0600.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import GatewayError

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "gateway.db"
LARGEST_FILE = 1_000_000
_MOST_FILES = 2000
_LARGEST_MANIFEST = 2_000_000
_CHUNK = 1 << 20
# Of users and groups; the number after it stands for "as it is" (chown(2)).
_LARGEST_OWNER = (1 << 32) - 2

Role = Literal["configuration", "lampposts", "named", "data"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BadBackup(GatewayError):
    """The file is no backup of a gateway, or is damaged."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(_Part):
    """A file beside the database.

    role: the configuration, the lampposts file, a file they name, or another file of the data
    folder. path: where it was, relative to the data folder for the last. mode, user, group: as
    `stat` gives them.
    """

    member: Annotated[str, Field(pattern=r"^files/[0-9]{4}$")]
    role: Role
    path: str
    # No set-user-id, whoever made the archive: it is unpacked by root.
    mode: int = Field(ge=0, le=0o777)
    user: int = Field(ge=0, le=_LARGEST_OWNER)
    group: int = Field(ge=0, le=_LARGEST_OWNER)
    size: int = Field(ge=0, le=LARGEST_FILE)
    sha256: Sha256


class Manifest(_Part):
    """What the archive holds.

    made: Unix seconds; database_state: as `copies.State`; data_user, data_group: whose the data
    folder was.
    """

    format: int
    gateway: str
    version: str
    made: int
    database_size: int = Field(ge=0)
    database_sha256: Sha256
    database_state: dict[str, int]
    data_user: int = Field(ge=0, le=_LARGEST_OWNER)
    data_group: int = Field(ge=0, le=_LARGEST_OWNER)
    files: list[Member] = Field(max_length=_MOST_FILES)

    def of(self, role: Role) -> list[Member]:
        """The files of a role."""
        return [file for file in self.files if file.role == role]


class Source(NamedTuple):
    """A file to put in: which it is, where it is, and the path to note of it."""

    role: Role
    file: Path
    path: str


def digest(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def write(out: Path, database: Path, sources: list[Source], about: dict[str, Any]) -> Manifest:
    """Make the archive `out`, which must not be there; `about` is the rest of the manifest.

    Raises OSError; nothing is left at `out` then.
    """
    contents = [source.file.read_bytes() for source in sources]
    members = [
        _member(number, source, content)
        for number, (source, content) in enumerate(zip(sources, contents, strict=True))
    ]
    manifest = Manifest(
        format=FORMAT,
        database_size=database.stat().st_size,
        database_sha256=digest(database),
        files=members,
        **about,
    )
    partial = out.with_name(out.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as tar:
                _put(tar, MANIFEST, manifest.model_dump_json(indent=2).encode())
                tar.add(database, DATABASE, filter=_plain)
                for member, content in zip(members, contents, strict=True):
                    _put(tar, member.member, content)
            file.flush()
            os.fsync(file.fileno())
        # A link, not a rename: what is there already is not replaced.
        os.link(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return manifest


def _member(number: int, source: Source, content: bytes) -> Member:
    status = source.file.stat()
    return Member(
        member=f"files/{number:04}",
        role=source.role,
        path=source.path,
        mode=status.st_mode & 0o777,
        user=status.st_uid,
        group=status.st_gid,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _put(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = _plain(tarfile.TarInfo(name))
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mode, info.uid, info.gid, info.uname, info.gname = 0o600, 0, 0, "", ""
    return info


class Backup:
    """An opened archive, of which nothing is believed before its SHA-256 has been checked."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        try:
            raw = self._opened(MANIFEST).read(_LARGEST_MANIFEST)
            self.manifest = Manifest.model_validate(json.loads(raw))
        except (ValueError, ValidationError, RecursionError) as error:
            raise BadBackup(f"its {MANIFEST} cannot be used: {str(error)[:200]}") from error
        if self.manifest.format != FORMAT:
            raise BadBackup(
                f"it has format {self.manifest.format}, this program knows {FORMAT}; "
                "use the program that made it"
            )

    def content(self, member: Member) -> bytes:
        """The bytes of a file. Raises BadBackup."""
        content = self._opened(member.member).read(LARGEST_FILE + 1)
        if hashlib.sha256(content).hexdigest() != member.sha256:
            raise BadBackup(f"{member.path} in it is damaged; take another backup")
        return content

    def database(self, into: Path) -> None:
        """Write the database to the new file `into`. Raises BadBackup and OSError."""
        source = self._opened(DATABASE)
        left = self.manifest.database_size
        with os.fdopen(os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            while left > 0 and (chunk := source.read(min(_CHUNK, left))):
                file.write(chunk)
                left -= len(chunk)
        if digest(into) != self.manifest.database_sha256:
            raise BadBackup("the database in it is damaged; take another backup")

    def _opened(self, name: str) -> io.BufferedReader:
        opened = None
        with suppress(KeyError):
            info = self._tar.getmember(name)
            # A link may lead anywhere in the archive, to itself as well.
            if info.isreg():
                opened = self._tar.extractfile(info)
        if opened is None:
            raise BadBackup(f"it holds no file {name}, so it is damaged")
        return opened  # type: ignore[return-value]


@contextmanager
def opened(file: Path) -> Generator[Backup]:
    """The backup in `file`. Raises BadBackup and OSError."""
    if not os.path.lexists(file):
        raise BadBackup(f"{file}: is not there; name a file that `backup` made")
    try:
        with tarfile.open(file, "r:gz") as tar:
            yield Backup(tar)
    except (tarfile.TarError, EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
        raise BadBackup(f"{file}: is no backup of a gateway, or is damaged: {error}") from error
    except BadBackup as error:
        raise BadBackup(f"{file}: {error}") from error

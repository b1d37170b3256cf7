"""A backup, brought back: checked whole before anything is changed."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway import data_dir
from gateway.backup.archive import Backup, BadBackup, Member, opened
from gateway.backup.save import named_files
from gateway.buffer import copies
from gateway.buffer.database import replace
from gateway.config import Configuration, load
from gateway.errors import ConfigurationError, GatewayError


class Newer(GatewayError):
    """What is there would be lost, or is newer."""


def restore(archive: Path, file: Path, say: Callable[[str], None], *, force: bool) -> None:
    """Bring back the gateway in `archive`, its configuration to `file`; `say` is told each step.

    Without `force` nothing that is there is replaced: no file that differs, and no database that
    has run longer than the one in the backup, holds records, or cannot be read. What is
    replaced stays, named ``<name>.replaced-<ns>``. Raises GatewayError, and OSError.
    """
    with opened(archive) as backup:
        content = _configuration(backup)
        with tempfile.TemporaryDirectory(prefix="lamplighter-restore-") as temporary:
            configuration = _parsed(backup, content, Path(temporary) / file.name)
        folder = configuration.gateway.data_dir
        made = not folder.exists()
        with (
            data_dir.held(folder, f"{configuration.gateway.id}, being restored"),
            tempfile.TemporaryDirectory(dir=folder, prefix=".restore-") as temporary,
        ):
            if made:
                _own(folder, backup.manifest.data_user, backup.manifest.data_group)
            owner = folder.stat()
            copy = Path(temporary) / data_dir.DATABASE
            backup.database(copy)
            copies.check(copy)
            there = _there(folder / data_dir.DATABASE, backup, force=force)
            places = list(_places(backup, configuration, file, say))
            _refuse_others(places, force=force)
            for place, member, what in places:
                _write(place, what, member, say)
            for own in (copy, folder / data_dir.LOCK):
                _own(own, owner.st_uid, owner.st_gid)
            _database(copy, folder / data_dir.DATABASE, there, say)


def _configuration(backup: Backup) -> bytes:
    found = backup.manifest.of("configuration")
    if len(found) != 1:
        raise BadBackup("it holds no configuration file")
    return backup.content(found[0])


def _parsed(backup: Backup, content: bytes, file: Path) -> Configuration:
    """The configuration as it will be; `file` is in a folder of its own, made for this."""
    file.write_bytes(content)
    file.chmod(0o600)
    for member in backup.manifest.of("lampposts"):
        name = Path(member.path).name
        if name in ("", "..", file.name):
            raise BadBackup(f"{member.path!r} in it is no name for a lampposts file")
        (file.parent / name).write_bytes(backup.content(member))
    try:
        return load(file)[0]
    except ConfigurationError as error:
        raise GatewayError(f"its configuration cannot be used here: {error}") from error


def _there(path: Path, backup: Backup, *, force: bool) -> Path | None:
    """The database that is there, if it can be read. Raises Newer."""
    if not path.exists():
        return None
    try:
        there = copies.state(path)
        copies.check(path)
    except GatewayError as error:
        if force:
            return None
        raise Newer(f"{error}; use --force to put the backup in its place") from error
    ran = backup.manifest.database_state.get("running_s", 0)
    if not force and (there.rows or there.running_s > ran):
        raise Newer(
            f"{path}: has run {there.running_s} s (the backup: {ran} s) and holds {there.rows} "
            "records that have not gone up; use --force to put the backup in its place: these "
            "records, and positions and counters that are further on, are taken over"
        )
    return path


def _database(copy: Path, path: Path, there: Path | None, say: Callable[[str], None]) -> None:
    try:
        taken = copies.prepare(copy, there)
    except sqlite3.Error as error:
        raise OSError(f"{path}: the backup could not be made ready: {error}") from error
    replaced = path.exists()
    aside = replace(path, copy)
    if replaced:
        say(f"{aside}: the database that was there; remove it when all is well")
    if taken:
        say(f"{path}: {taken} records taken over from it")
    say(f"{path}: restored")


def _places(
    backup: Backup, configuration: Configuration, file: Path, say: Callable[[str], None]
) -> Iterator[tuple[Path, Member, bytes]]:
    """Where each file of the backup goes, and what is in it."""
    folder = configuration.gateway.data_dir
    # Only what the configuration itself names is written outside of the data folder.
    named = {str(path.absolute()): path for path in named_files(configuration)}
    for member in backup.manifest.files:
        content = backup.content(member)
        match member.role:
            case "configuration":
                place = file
            case "lampposts":
                name = Path(member.path).name
                known = configuration.gateway.lampposts_file.name
                place = file.parent / name if name == known else None
            case "named":
                place = named.get(member.path)
            case "data":
                place = _inside(folder, member.path)
        if place is None:
            say(f"{member.path}: left out, the configuration does not name it")
        elif place.exists() and folder / data_dir.TRUST in place.parents:
            # Of signed metadata the older is never taken back.
            say(f"{place}: is there already, left as it is")
        else:
            yield place, member, content


def _refuse_others(places: list[tuple[Path, Member, bytes]], *, force: bool) -> None:
    others = [p for p, _, content in places if p.exists() and p.read_bytes() != content]
    if others and not force:
        more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        raise Newer(
            f"{others[0]}{more}: differs from what is in the backup; move it away, or use --force "
            "to replace it"
        )


def _inside(folder: Path, path: str) -> Path:
    parts = Path(path).parts
    if not parts or Path(path).is_absolute() or ".." in parts:
        raise BadBackup(f"{path!r} in it is no place in the data folder")
    return folder.joinpath(*parts)


def _write(place: Path, content: bytes, member: Member, say: Callable[[str], None]) -> None:
    if place.exists():
        if place.read_bytes() == content:
            return
        place.rename(place.with_name(f"{place.name}.replaced-{time.time_ns()}"))
    missing = [folder for folder in place.parents if not folder.exists()]
    place.parent.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        _own(folder, member.user, member.group)
    partial = place.with_name(place.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    partial.chmod(member.mode)
    _own(partial, member.user, member.group)
    partial.rename(place)
    say(f"{place}: restored")


def _own(path: Path, user: int, group: int) -> None:
    # Restored by root, used by the gateway's own user.
    if os.geteuid() == 0:
        os.chown(path, user, group)

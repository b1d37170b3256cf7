"""The database file: opened, checked, migrated, and set aside when damaged.

Setting aside is done so that it may be interrupted anywhere and is taken up at the next start:

    <name>.damage    the file is damaged, says who found it; from here on it is not opened again
    <name>.new       what is being salvaged from it; begun anew after an interruption
    <name>.salvaged  the same, complete and on the disk
    <name>.damaged-<time>  the damaged file, moved out of the way of the salvaged one; the last
                     three of these stay
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from gateway.buffer import tallies
from gateway.buffer.salvage import salvage
from gateway.buffer.schema import Database, code, connect, is_environment, migrate, version
from gateway.logs import Logger

__all__ = [
    "Database", "connect", "mark_damaged", "migrate", "open_checked", "replace", "salvage",
    "set_aside", "version",
]  # fmt: skip

_PARTS = ("", "-wal", "-shm")
# A memory card or USB disk may need a moment after power on; a read error there is no damage yet.
_OPEN_AGAIN_S = (0.2, 1.0, 3.0)
_LONGEST_REASON = 500
# Damaged files that are kept for a person to look at.
_MOST_ASIDE = 3


def open_checked(path: Path, log: Logger) -> Database:
    """Open the database at `path`; one that is damaged is set aside and its records salvaged.

    The damaged file stays beside it, named `<name>.damaged-<time>`, for a person to look at.
    Raises OSError and GatewayError, never for damage.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open(path, log)
    except sqlite3.Error as error:
        raise OSError(f"{path}: {error}{_remedy(path)}") from error


def _remedy(path: Path) -> str:
    """What to do about the disk, if it is the disk."""
    found = os.statvfs(path.parent)
    if found.f_flag & os.ST_RDONLY:
        return "; it is on a file system mounted read-only: look at the disk, then mount it anew"
    return "" if found.f_bavail else "; the disk is full: make room on it"


def mark_damaged(path: Path, why: str) -> None:
    """Have the next `open_checked` set the database aside, whatever a check says of it then.

    Raises OSError.
    """
    marker = _beside(path, ".damage")
    if marker.exists():
        return
    with marker.open("w", encoding="utf-8") as file:
        file.write(f"{time.time_ns()} {why[:_LONGEST_REASON]}\n")
        file.flush()
        os.fsync(file.fileno())
    _settle_folder(path)


def _open(path: Path, log: Logger) -> Database:
    if _beside(path, ".salvaged").exists():
        log.error("taking the salvaged database into use", aside=str(_put_in_place(path)))
    if path.exists() and _beside(path, ".damage").exists():
        return _renew(path, log)
    try:
        database = _open_patiently(path)
    except sqlite3.DatabaseError as error:
        if is_environment(error):
            raise
        mark_damaged(path, str(error))
        return _renew(path, log)
    # Left by a database that somebody has removed.
    _beside(path, ".damage").unlink(missing_ok=True)
    return database


def _open_patiently(path: Path) -> Database:
    for pause_s in _OPEN_AGAIN_S:
        try:
            return _open_sound(path)
        except sqlite3.DatabaseError as error:
            if code(error) != sqlite3.SQLITE_IOERR:
                raise
        time.sleep(pause_s)
    return _open_sound(path)


def _open_sound(path: Path) -> Database:
    database = connect(path)
    try:
        verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"quick_check: {verdict}")
        migrate(database)
    except BaseException:
        database.conn.close()
        raise
    return database


def _renew(path: Path, log: Logger) -> Database:
    why = _marked(path)[1]
    log.error("database damaged: salvaging what can be read", path=str(path), error=why)
    new = _beside(path, ".new")
    _remove(new)
    try:
        copied = _salvage_into(new, path)
    except BaseException:
        # Whoever makes room on a full disk shall find what they made.
        with suppress(OSError):
            _remove(new)
        raise
    with new.open("rb+") as file:
        os.fsync(file.fileno())
    new.rename(_beside(path, ".salvaged"))
    _settle_folder(path)
    aside = _put_in_place(path)
    log.error("salvaged from the damaged database", aside=str(aside), **copied)
    _prune(path, log)
    return _open_sound(path)


def _salvage_into(new: Path, path: Path) -> dict[str, int]:
    """Salvage the database at `path` into the file `new`; gives the rows copied of each table."""
    database = connect(new)
    try:
        migrate(database)
        copied = salvage(path, database)
        with database.atomic():
            tallies.count_up(database, "salvages", 1)
            tallies.put(database, "salvaged_at", int(time.time()))
        busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise OSError(f"{new}: what was salvaged could not be written into one file")
    finally:
        database.conn.close()
    return copied


def _remove(file: Path) -> None:
    for part in _PARTS:
        _beside(file, part).unlink(missing_ok=True)


def set_aside(path: Path) -> list[Path]:
    """The damaged databases that were set aside and that nobody has removed, the oldest first."""
    found = path.parent.glob(f"{path.name}.damaged-*")
    return sorted(file for file in found if not file.name.endswith(_PARTS[1:]))


def _prune(path: Path, log: Logger) -> None:
    # A card that dies damages one copy after the other: they must not fill it.
    for old in set_aside(path)[:-_MOST_ASIDE]:
        log.error("removing an old damaged database", file=str(old))
        _remove(old)


def replace(path: Path, new: Path) -> Path:
    """Put the database `new`, one file and closed, in the place of the one at `path`.

    Gives where that one, if there is any, has been moved to. It may be interrupted anywhere: the
    next `open_checked` takes it up. Raises OSError.
    """
    with new.open("rb+") as file:
        os.fsync(file.fileno())
    new.rename(_beside(path, ".salvaged"))
    _settle_folder(path)
    return _put_in_place(path, "replaced")


def _put_in_place(path: Path, word: str = "damaged") -> Path:
    """Move the old database away and the new one to its place; gives where to."""
    aside = _beside(path, f".{word}-{_marked(path)[0]}")
    for part in _PARTS:
        if _beside(path, part).exists():
            _beside(path, part).rename(_beside(aside, part))
    # No part of the old file may meet the new one, nor the mark: each step is on disk in turn.
    _settle_folder(path)
    _beside(path, ".damage").unlink(missing_ok=True)
    _settle_folder(path)
    _beside(path, ".salvaged").rename(path)
    _settle_folder(path)
    return aside


def _marked(path: Path) -> tuple[int, str]:
    """When (ns since 1970) and why the database was marked."""
    try:
        at, _, why = _beside(path, ".damage").read_text("utf-8", "replace").partition(" ")
        return int(at), why.strip()
    except (OSError, ValueError):
        return time.time_ns(), "marked, the reason is lost"


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _settle_folder(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

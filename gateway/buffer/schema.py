"""The schema of the database: how a connection is made, and how an older file is brought up."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from gateway.absent import absent

# It has a use for numpy's types, and we have none for numpy: 11 MB.
with absent("numpy", "pandas"):
    import sqlite_utils

from gateway.errors import GatewayError

# Trouble around the file (permissions, space, a lock) and not in it.
_ENVIRONMENT = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM,
})  # fmt: skip
_PRAGMAS = (
    # Of a new file only, and before all else: unused pages can be given back to a disk that fills.
    "auto_vacuum=INCREMENTAL",
    "journal_mode=WAL",
    "synchronous=FULL",
    # 4,000 pages are 16 MB: what changes with each commit (positions, the last page of records) is
    # worked into the file once for so many commits, not once for each thousand pages.
    "wal_autocheckpoint=4000",
    "journal_size_limit=16777216",
)
_SCRIPT = re.compile(r"(\d{3})\.sql")


def code(error: BaseException) -> int:
    """SQLite's primary result code; 0 when it is none of SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_environment(error: BaseException) -> bool:
    """Whether the trouble is around the file (permissions, space, a lock) and not in it."""
    return code(error) in _ENVIRONMENT


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says that the file itself is damaged."""
    return code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def text(stored: bytes) -> str:
    """TEXT as SQLite stores it; what is not UTF-8 in it becomes U+FFFD."""
    return stored.decode("utf-8", "replace")


class Database(sqlite_utils.Database):
    """sqlite-utils' database, with the types it leaves out."""

    def execute(
        self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None
    ) -> sqlite3.Cursor:
        """As the base class has it."""
        return super().execute(sql, parameters)  # pyright: ignore[reportUnknownMemberType]


def connect(path: Path) -> Database:
    """A connection with the durability everything here relies on. Used from one thread at a time.

    Raises sqlite3.Error, and OSError where the file cannot be made.
    """
    if not path.exists():
        path.touch(mode=0o600)  # it holds a key that lampposts share
    connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
    # Damaged text is looked at by whoever reads it, row by row; it must not fail a whole query.
    connection.text_factory = text
    try:
        database = Database(connection)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return database


def version(database: Database) -> int:
    """The schema version of an open database; 0 when it is new."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def migrate(database: Database, scripts: Iterable[Traversable] | None = None) -> int:
    """Bring the schema to the newest version, one script and one transaction a step; gives it.

    Raises GatewayError when the database is newer than this program.
    """
    steps = _steps(_scripts() if scripts is None else scripts)
    known = max(steps)
    at = version(database)
    if at > known:
        raise GatewayError(
            f"the database has schema version {at}, this program knows {known}; "
            "install the newer gateway again, or name another data_dir"
        )
    for step in range(at + 1, known + 1):
        with database.atomic():
            for statement in _statements(steps[step].read_text(encoding="utf-8")):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {step}")
    return known


def newest() -> int:
    """The schema version that this program knows."""
    return max(_steps(_scripts()))


def _scripts() -> Iterable[Traversable]:
    return resources.files("gateway.buffer").joinpath("migrations").iterdir()


def _steps(scripts: Iterable[Traversable]) -> dict[int, Traversable]:
    found = ((_SCRIPT.fullmatch(script.name), script) for script in scripts)
    return {int(match[1]): script for match, script in found if match}


def _statements(script: str) -> Iterable[str]:
    # Python's executescript() commits what is open; a step must be all or nothing.
    pending = ""
    for part in script.split(";"):
        pending += part + ";"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    # After the last ";" there are only comments and white space.

"""The database file: opened, checked, migrated, and set aside when damaged."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterable, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import sqlite_utils

from gateway.errors import GatewayError
from gateway.logs import Logger

_SCRIPT = re.compile(r"(\d{3})\.sql")
# Tables worth carrying out of a damaged file, readings first; the rest is asked for again.
_SALVAGE_RANGE = 32
_SALVAGE_MOST = 10_000_000
_SALVAGED = ("record", "cursor", "seal", "transfer", "desired", "command", "tally")


class Database(sqlite_utils.Database):
    """sqlite-utils' database, with the types it leaves out."""

    def execute(
        self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None
    ) -> sqlite3.Cursor:
        """As the base class has it."""
        return super().execute(sql, parameters)  # pyright: ignore[reportUnknownMemberType]


def connect(path: Path) -> Database:
    """A connection with the durability everything here relies on. Used from one thread at a time.

    Raises sqlite3.Error.
    """
    connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
    try:
        database = Database(connection)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "journal_size_limit=16777216"):
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
    if scripts is None:
        scripts = resources.files("gateway.buffer").joinpath("migrations").iterdir()
    steps: dict[int, str] = {}
    for script in scripts:
        match = _SCRIPT.fullmatch(script.name)
        if match:
            steps[int(match[1])] = script.read_text(encoding="utf-8")
    newest = max(steps)
    at = version(database)
    if at > newest:
        raise GatewayError(
            f"the database has schema version {at}, this program knows {newest}; "
            "install the newer gateway again, or name another data_dir"
        )
    for step in range(at + 1, newest + 1):
        with database.atomic():
            for statement in _statements(steps[step]):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {step}")
    return newest


def _statements(script: str) -> Iterable[str]:
    # Python's executescript() commits what is open; a step must be all or nothing.
    pending = ""
    for part in script.split(";"):
        pending += part + ";"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    # After the last ";" there are only comments and white space.


def open_checked(path: Path, log: Logger) -> Database:
    """Open the database at `path`; one that is damaged is set aside and its records salvaged.

    The damaged file stays beside it, named `<name>.damaged-<time>`, for a person to look at.
    Raises OSError and GatewayError, never for damage.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open_sound(path)
    except sqlite3.DatabaseError as error:
        if _is_environment(error):
            raise OSError(f"{path}: {error}") from error
        aside = _set_aside(path)
        log.error(
            "database damaged: set aside, starting with a new one",
            path=str(path),
            aside=str(aside),
            error=str(error),
        )
    database = _open_sound(path)
    log.error("salvaged from the damaged database", **salvage(aside, database))
    return database


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


def _is_environment(error: sqlite3.DatabaseError) -> bool:
    """Whether the trouble is around the file (permissions, space, a lock) and not in it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM,
    )  # fmt: skip


def _set_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def salvage(damaged: Path, into: Database) -> dict[str, int]:
    """Copy what can still be read of `damaged`; gives the rows copied of each table."""
    copied: dict[str, int] = {}
    source = sqlite3.connect(damaged)
    try:
        for table in _SALVAGED:
            copied[table] = _copy_table(source, into, table)
    finally:
        source.close()
    return copied


def _copy_table(source: sqlite3.Connection, into: Database, table: str) -> int:
    names = into.execute("SELECT name FROM pragma_table_info(?)", [table]).fetchall()
    columns: list[str] = [name for (name,) in names]
    select = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - names of our own
    copied = 0
    with into.atomic():
        if table != "record":
            return _copy_rows(source, into, table, columns, select)
        # In small ranges of keys: each is found from the root, so a bad page hides only itself.
        for first in range(*_ids(source), _SALVAGE_RANGE):
            where = f" WHERE id BETWEEN {first} AND {first + _SALVAGE_RANGE - 1}"
            copied += _copy_rows(source, into, table, columns, select + where)
    return copied


def _ids(source: sqlite3.Connection) -> tuple[int, int]:
    """Keys between which the records of a damaged database lie, the end excluded."""
    first, last = 0, -1
    try:
        row = source.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").fetchone()
        last = row[0] if row else -1
        first = source.execute("SELECT coalesce(min(id), 0) FROM record").fetchone()[0]
    except sqlite3.DatabaseError:
        # The first leaf is gone: only the newest can be looked for in reasonable time.
        first = max(0, last - _SALVAGE_MOST)
    return first, last + 1


def _copy_rows(
    source: sqlite3.Connection, into: Database, table: str, columns: list[str], select: str
) -> int:
    copied = 0
    try:
        # Row by row: those before the damaged page are still good.
        for row in source.execute(select):
            copied += _copy_row(into, table, dict(zip(columns, row, strict=True)))
    except sqlite3.DatabaseError:
        return copied
    return copied


def _copy_row(into: Database, table: str, row: dict[str, Any]) -> int:
    try:
        with into.atomic():
            into.table(table).insert(row, replace=True)
    except sqlite3.DatabaseError:
        # Damaged values do not meet the table's constraints.
        return 0
    return 1

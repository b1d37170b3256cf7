"""What can still be read of a damaged database, copied into a sound one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gateway.buffer.schema import Database, code, is_environment, text

# What is not here is asked for again.
_TABLES = (
    "tally", "seal", "record", "cursor", "transfer", "desired", "command", "rejected", "outlet",
    "kept",
)  # fmt: skip
# Tables that grow, walked by id so that one bad page hides only its own rows.
_WALKED = frozenset({"record", "rejected", "kept"})
# Around damage keys are tried in ranges of this many: each is found from the root anew.
_RANGE = 32
# So many keys are tried on either side of damage that hides where the rows end.
_MOST_KEYS = 10_000_000
# A key beyond this is damage: counting up from 1, no gateway gets here.
_LARGEST_ID = 1 << 48
# More than is added between two times the last key is noted.
_GIVEN_SINCE = 1_000_000
_LARGEST_TALLY = 1 << 40
_ROWS_A_COMMIT = 20_000
_MOST_UNREADABLE = 20
_READ_AGAIN_S = (0.05, 0.2, 1.0)
# The damaged file may lack its last commits: step over every counter these can have set aside.
_COUNTERS_STEPPED_OVER = 1 << 24


class _Source:
    """The damaged file. Rows come until damage; where the file cannot be read it is asked again."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)
        self._connection.text_factory = text
        self._unreadable = 0
        self._given = 0

    def close(self) -> None:
        self._connection.close()

    def rows(self, select: str, *parameters: int) -> Iterator[tuple[Any, ...]]:
        """The rows of `select` before the first damage, where it raises _Damage."""
        given = 0
        # A whole bad block is many failures: only the first are worth waiting for.
        pauses = _READ_AGAIN_S if self._unreadable < _MOST_UNREADABLE else ()
        for pause_s in (*pauses, None):
            try:
                for index, row in enumerate(self._connection.execute(select, parameters)):
                    if index >= given:
                        given += 1
                        self._given += 1
                        yield row
            except sqlite3.Error as error:
                if is_environment(error):
                    raise
                if code(error) != sqlite3.SQLITE_IOERR:
                    raise _Damage from error
                if pause_s is None:
                    self._unreadable += 1
                    if self._given == 0 and self._unreadable >= _MOST_UNREADABLE:
                        raise  # not a bad block, but a disk that is away
                    raise _Damage from error
                time.sleep(pause_s)
            else:
                return


class _Damage(Exception):
    """Beyond here a query cannot go."""


def salvage(damaged: Path, into: Database) -> dict[str, int]:
    """Copy what can still be read of `damaged`; gives the rows copied of each table.

    Damage costs the rows it touches. Trouble with writing `into` (no space, I/O) is no damage and
    is raised as sqlite3.Error; so is a `damaged` that cannot be read at all for I/O errors.
    """
    copied: dict[str, int] = {}
    source = _Source(damaged)
    try:
        for table in _TABLES if _has_schema(source) else ():
            copied[table] = _copy_table(source, into, table)
    finally:
        source.close()
    with into.atomic():
        into.execute("UPDATE seal SET reserved = reserved + ?", [_COUNTERS_STEPPED_OVER])
    return copied


def _copy_table(source: _Source, into: Database, table: str) -> int:
    if _missing(source, table):
        return 0
    columns = _columns(source, into, table)
    values = columns
    if table in ("record", "kept"):
        # Their age begins anew: a damaged age would have them dropped as too old.
        running = into.execute("SELECT value FROM tally WHERE name = 'running_s'").fetchone()[0]
        values = [str(running) if name == "received" else name for name in columns]
    select = f"SELECT {', '.join(values)} FROM {table} NOT INDEXED"  # noqa: S608 - our own names
    rows = _walk(source, table, select) if table in _WALKED else _until_damage(source, select)
    marks = ", ".join("?" * len(columns))
    insert = f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
    copied, more = 0, True
    while more:
        more = False
        with into.atomic():
            for count, row in enumerate(rows, 1):
                copied += _insert(into, insert, row)
                if count == _ROWS_A_COMMIT:
                    more = True
                    break
    if table == "tally":
        with into.atomic():
            into.execute(
                "UPDATE tally SET value = 0 WHERE value NOT BETWEEN 0 AND ?", [_LARGEST_TALLY]
            )
    return copied


def _has_schema(source: _Source) -> bool:
    """Whether SQLite can read what tables there are: where it cannot, no query reads anything."""
    try:
        return bool(list(source.rows("SELECT 1 FROM sqlite_master LIMIT 1")))
    except _Damage as damage:
        # A disk that cannot be read now may be read a little later.
        return code(damage.__cause__ or damage) == sqlite3.SQLITE_IOERR


def _missing(source: _Source, table: str) -> bool:
    """Whether the file is of a program that did not have the table yet."""
    query = f"SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{table}'"  # noqa: S608
    try:
        return not list(source.rows(query))
    except _Damage:
        return False


def _columns(source: _Source, into: Database, table: str) -> list[str]:
    """The columns both have; all of `into` when the damaged file does not tell."""
    query = f"SELECT name FROM pragma_table_info('{table}')"  # noqa: S608 - our own names
    wanted = [name for (name,) in into.execute(query).fetchall()]
    there = {name for (name,) in _until_damage(source, query)}
    return [name for name in wanted if name in there] if there else wanted


def _insert(into: Database, insert: str, row: tuple[Any, ...]) -> int:
    try:
        return into.conn.execute(insert, row).rowcount
    except (sqlite3.IntegrityError, sqlite3.DataError):
        # Damaged values do not meet the table's constraints.
        return 0


def _until_damage(source: _Source, select: str, *parameters: int) -> Iterator[tuple[Any, ...]]:
    try:
        yield from source.rows(select, *parameters)
    except _Damage:
        return


def _walk(source: _Source, table: str, select: str) -> Iterator[tuple[Any, ...]]:
    """All rows to be had, in no particular order: from both ends, then from around the damage.

    `select` gives the id, which is the key, first.
    """
    low = 0
    try:
        for row in source.rows(f"{select} WHERE id > 0 ORDER BY id"):
            low = max(low, row[0])
            if row[0] < _LARGEST_ID:
                yield row
    except _Damage:
        low = min(low, _LARGEST_ID)
    else:
        return
    high = None
    try:
        for row in source.rows(f"{select} WHERE id > ? ORDER BY id DESC", low):
            high = row[0]
            if row[0] < _LARGEST_ID:
                yield row
    except _Damage:
        if high is None:
            high = _last_id(source, table, low) + 1
    else:
        return
    for first, last in _around(low, min(high, _LARGEST_ID)):
        for start in range(first, last, _RANGE):
            end = min(start + _RANGE, last) - 1
            yield from _until_damage(source, f"{select} WHERE id BETWEEN ? AND ?", start, end)


def _last_id(source: _Source, table: str, above: int) -> int:
    """The highest key ever given, as far as that is believable."""
    if table == "rejected":
        query = "SELECT seq FROM sqlite_sequence WHERE name = 'rejected'"
    else:
        query = f"SELECT value + {_GIVEN_SINCE} FROM tally WHERE name = 'last_id'"  # noqa: S608
    for (last,) in _until_damage(source, query):
        if isinstance(last, int) and last > above:
            return last
    return _LARGEST_ID


def _around(low: int, high: int) -> Iterable[tuple[int, int]]:
    """Ranges (first, end) of keys to try between the sound ends: low < key < high."""
    if high - low <= 2 * _MOST_KEYS:
        return [(low + 1, high)]
    return [(low + 1, low + 1 + _MOST_KEYS), (high - _MOST_KEYS, high)]

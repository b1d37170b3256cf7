"""The city store as the proof reads it: plain SQL, and not the code that wrote it.

A proof ought not to lean on what it is to prove: rows are read one by one with no key assumed, so
that a row that is there twice is seen twice.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from simulators.demo.proof import Row
from simulators.ledger import Key

SET_ASIDE = ("conflict", "rejected")
"""Tables of what the store could not take; a good night leaves them empty."""


class CityStore:
    """Reads the SQLite file ``file`` while the ingest writes it.

    Attributes:
        file: where it is; nothing is read, and nothing raised, while it is not there yet.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def count(self) -> int:
        """Records in the store; 0 while there is none."""
        rows = self._query("SELECT count(*) FROM record")
        return rows[0][0] if rows else 0

    def rows(self) -> list[Row]:
        """Every record, as often as it is there."""
        return self._query("SELECT node, epoch, seq, body FROM record")

    def conflicts(self) -> list[Key]:
        """The key of each delivery that came with another body than the one stored."""
        return self._query("SELECT node, epoch, seq FROM conflict")

    def missing(self, keys: set[Key]) -> set[Key]:
        """Those of ``keys`` that are not in the store."""
        return keys - set(self._query("SELECT node, epoch, seq FROM record"))

    def set_aside(self) -> dict[str, int]:
        """Rows in each table of :data:`SET_ASIDE`; one that is not there is left out."""
        counts: dict[str, int] = {}
        for table in SET_ASIDE:
            rows = self._query(f"SELECT count(*) FROM {table}")  # noqa: S608 - our two words
            if rows:
                counts[table] = rows[0][0]
        return counts

    def _query(self, statement: str) -> list[Any]:
        return query(self.file, statement)


def query(file: Path, statement: str) -> list[Any]:
    """Rows of a SQLite file that others write; none while it or its tables are not there yet."""
    if not file.exists():
        return []
    with contextlib.closing(
        sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
    ) as database:
        try:
            return database.execute(statement).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise

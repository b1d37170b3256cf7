"""Reading rows, beside the writer, in a thread of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gateway.buffer.rows import Row
from gateway.buffer.schema import connect
from gateway.errors import BufferUnavailable

_COLUMNS = "SELECT id, node, epoch, seq, body FROM"
_ON_THE_WAY = f"{_COLUMNS} record WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
_BEYOND = "WHERE id > max(:after, (SELECT last FROM outlet WHERE name = :outlet))"
_FOR_OUTLET = (
    f"{_COLUMNS} kept {_BEYOND} UNION ALL {_COLUMNS} record {_BEYOND} ORDER BY id LIMIT :limit"
)


class Reader:
    """A connection that reads rows. `report` is called with each failure.

    Its methods raise BufferUnavailable.
    """

    def __init__(self, path: Path, report: Callable[[Exception], None]) -> None:
        self._connection = connect(path).conn
        self._report = report
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="buffer-reader")

    async def rows(self, after: int, until: int, limit: int) -> list[Row]:
        """The oldest rows on their way with after < id <= until, at most `limit`."""
        return await self._read(_ON_THE_WAY, (after, until, limit))

    async def rows_for(self, outlet: str, after: int, limit: int) -> list[Row]:
        """The oldest rows beyond the cursor of `outlet` and beyond the id `after`."""
        return await self._read(_FOR_OUTLET, {"outlet": outlet, "after": after, "limit": limit})

    async def _read(self, query: str, parameters: tuple[int, ...] | dict[str, Any]) -> list[Row]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._select, query, parameters)

    def _select(self, query: str, parameters: tuple[int, ...] | dict[str, Any]) -> list[Row]:
        try:
            found = self._connection.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            self._report(error)
            raise BufferUnavailable(f"the database cannot be read: {error}") from error
        return list(map(Row._make, found))

    def close(self) -> None:
        """Wait for a read under way, then close the connection."""
        self._thread.shutdown()
        self._connection.close()

"""What the buffer counts as held: exact whatever is cancelled, repeated or refused."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.buffer import database as db
from gateway.buffer.records import ROW_OVERHEAD, Batch, Position, Reject
from gateway.buffer.writer import Writer
from tests.unit.gateway.test_buffer import NODE, batch, opened

EACH = 8 + ROW_OVERHEAD


@contextlib.contextmanager
def writer_held(writer: Writer) -> Iterator[None]:
    go = threading.Event()
    writer.submit(lambda database: go.wait(10) and None)
    try:
        yield
    finally:
        go.set()


async def test_a_deletion_nobody_waits_for_any_more_is_counted(tmp_path: Path) -> None:
    async with opened(tmp_path / "b.db") as (records, _, writer, _):
        await records.add(batch(0, 10))
        rows = await records.begin(0, None, 9)
        with writer_held(writer):
            accepting = asyncio.ensure_future(records.accept(rows[:4]))
            rejecting = asyncio.ensure_future(records.reject(rows[4:6], "no"))
            adding = asyncio.ensure_future(records.add(batch(10, 3, start=10)))
            await asyncio.sleep(0)
            for task in (accepting, rejecting, adding):
                task.cancel()
            await asyncio.gather(accepting, rejecting, adding, return_exceptions=True)
            records.added.clear()
        await writer.submit(lambda database: None)
        # 7 on their way, and 2 that the broker refused keep their place.
        assert (records.rows, records.bytes) == (7, 9 * EACH)
        assert records.last_id == 13
        assert records.added.is_set()


async def test_only_what_was_still_there_is_subtracted_and_moved(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    async with opened(path) as (records, _, _, _):
        await records.add(batch(0, 10))
        rows = await records.begin(0, None, 100)
        await records.accept(rows[:3])
        await records.accept(rows[:5])
        assert (records.rows, records.bytes) == (5, 5 * EACH)
        await records.reject(rows[4:6], "no")
        assert (records.rows, records.bytes) == (4, 5 * EACH)
        counters = await records.counters()
        assert (counters["sent"], counters["rejected"]) == (5, 1)
    with contextlib.closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT seq FROM rejected").fetchall() == [(5,)]


async def test_a_start_counts_what_is_held(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    async with opened(path) as (records, _, _, _):
        await records.add(batch(0, 10))
        await records.reject((await records.begin(0, None, 2)), "no")
        assert (records.rows, records.bytes) == (8, 10 * EACH)
    async with opened(path) as (records, _, _, _):
        assert (records.rows, records.bytes) == (8, 10 * EACH)
        await records.load()
        assert (records.rows, records.bytes) == (8, 10 * EACH)


async def test_records_a_broker_refused_are_never_trimmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.buffer.moves._RUBBISH_KEPT", 3)
    path = tmp_path / "b.db"
    async with opened(path, max_bytes=20 * EACH) as (records, _, _, _):
        await records.add(batch(0, 20))
        await records.reject(await records.begin(0, None, 100), "refused")
        assert records.full, "they keep their place, so that nothing is dropped for want of it"
        rubbish = [Reject(seq, b"?", "no record") for seq in range(20, 30)]
        await records.add(Batch(NODE, Position(1, 20), Position(1, 30), 1, [], rubbish))
    with contextlib.closing(sqlite3.connect(path)) as raw:
        found = raw.execute("SELECT refused, seq FROM rejected ORDER BY seq").fetchall()
    assert found == [(1, seq) for seq in range(20)] + [(0, seq) for seq in range(27, 30)]


async def test_records_refused_before_the_migration_count_as_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    database = db.connect(path)
    scripts = Path(db.__file__).with_name("migrations")
    assert db.migrate(database, [scripts / "001.sql"]) == 1
    insert = "INSERT INTO rejected (node, epoch, seq, body, reason) VALUES (?, 1, ?, ?, ?)"
    database.execute(insert, [NODE, 1, b"x" * 8, "refused by the broker, reason code 149"])
    database.execute(insert, [NODE, 2, b"x" * 8, "not a record"])
    database.conn.close()
    async with opened(path) as (records, _, _, _):
        assert (records.rows, records.bytes) == (0, EACH)

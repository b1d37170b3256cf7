"""The buffer: add, begin, accept, reject, keep; bounds; migrations."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from gateway.buffer import database as db
from gateway.buffer.records import Batch, Position, Records, Reject
from gateway.buffer.state import State, Transfer, Wish
from gateway.buffer.writer import Writer
from gateway.errors import BufferUnavailable, CursorMoved, GatewayError
from gateway.logs import get
from protocol.records import AIR

NODE = bytes.fromhex("a0b1c2d3e4f5")


def body(seq: int, kind: int = AIR) -> bytes:
    """Eight bytes that begin as a record of that kind does."""
    return bytes((0x85, kind)) + b"%06d" % seq


def batch(
    first: int, count: int, start: int | None = None, epoch: int = 1, kind: int = AIR
) -> Batch:
    begin = Position(0, 0) if start is None else Position(epoch, start)
    bodies = [(seq, body(seq, kind)) for seq in range(first, first + count)]
    return Batch(NODE, begin, Position(epoch, first + count), epoch, bodies)


@contextlib.asynccontextmanager
async def opened(
    path: Path, max_bytes: int = 10**6
) -> AsyncGenerator[tuple[Records, State, Writer, dict[bytes, Position]], None]:
    writer = Writer(db.open_checked(path, get()), lambda why: None)
    writer.start()
    records = Records(writer, path, max_bytes)
    try:
        yield records, State(writer), writer, await records.load()
    finally:
        records.close()
        writer.close()


async def test_what_is_added_stays_until_accepted(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    async with opened(path) as (records, _, _, positions):
        assert positions == {}
        await records.add(batch(0, 10))
    async with opened(path) as (records, _, _, positions):
        assert positions == {NODE: (1, 10)}
        rows = await records.begin(0, None, 100)
        assert [row.seq for row in rows] == list(range(10))
        assert records.rows == 10
        await records.accept(rows[:4])
        # Kept: begun and neither accepted nor rejected.
        assert [row.seq for row in await records.begin(0, None, 100)] == list(range(4, 10))
        counters = await records.counters()
        assert (counters["added"], counters["sent"]) == (10, 4)


async def test_a_batch_must_follow_what_is_committed(tmp_path: Path) -> None:
    async with opened(tmp_path / "b.db") as (records, _, _, _):
        await records.add(batch(0, 10))
        with pytest.raises(CursorMoved):
            await records.add(batch(12, 5, start=12))
        await records.add(batch(10, 5, start=10))
        assert records.rows == 15


async def test_one_bad_job_does_not_spoil_the_others_of_its_commit(tmp_path: Path) -> None:
    async with opened(tmp_path / "b.db") as (records, _, writer, _):
        hold = asyncio.Event()
        loop = asyncio.get_running_loop()
        started = asyncio.Event()

        def block(database: db.Database) -> None:
            loop.call_soon_threadsafe(started.set)
            asyncio.run_coroutine_threadsafe(hold.wait(), loop).result()

        # While it runs the next jobs gather, so that they share a transaction.
        held = writer.submit(block)
        await started.wait()
        jobs = [
            asyncio.ensure_future(records.add(batch(0, 5))),
            asyncio.ensure_future(records.add(batch(90, 5, start=90))),
            asyncio.ensure_future(records.add(batch(5, 5, start=5))),
        ]
        await asyncio.sleep(0)
        hold.set()
        await held
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), CursorMoved, type(None)]
        assert writer.commits == 3  # load, the held one, and these three together
        assert len(await records.begin(0, None, 100)) == 10


async def test_a_failed_commit_stores_nothing_and_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path / "b.db") as (records, _, writer, _):
        await records.add(batch(0, 5))

        def limit(database: db.Database) -> None:
            pages = database.execute("PRAGMA page_count").fetchone()[0]
            database.execute(f"PRAGMA max_page_count = {pages}")

        await writer.submit(limit)
        big = Batch(NODE, Position(1, 5), Position(1, 6), 1, [(5, b"x" * 100_000)])
        with pytest.raises(BufferUnavailable, match="full"):
            await records.add(big)
        await writer.submit(
            lambda database: database.execute("PRAGMA max_page_count = 1000000").fetchone()
        )
        await records.add(batch(5, 1, start=5))
        assert [row.seq for row in await records.begin(0, None, 100)] == list(range(6))


async def test_full_has_hysteresis(tmp_path: Path) -> None:
    async with opened(tmp_path / "b.db", max_bytes=10 * 56) as (records, _, _, _):
        await records.add(batch(0, 10))
        assert records.full
        rows = await records.begin(0, None, 100)
        await records.accept(rows[:1])
        assert records.full
        await records.accept(rows[1:2])
        assert not records.full


async def test_old_records_are_dropped_by_running_time_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("gateway.buffer.sweep.time.monotonic", lambda: now)
    async with opened(tmp_path / "b.db") as (records, _, _, _):
        await records.add(batch(0, 3))
        now += 50
        assert (await records.sweep(60)).age == 0
        await records.add(batch(3, 2, start=3))
        now += 20
        assert (await records.sweep(60)).age == 3
        assert [row.seq for row in await records.begin(0, None, 9)] == [3, 4]
        counters = await records.counters()
        assert (counters["dropped_age"], counters["dropped_disk"]) == (3, 0)
        assert records.rows == 2


async def test_rejected_records_are_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    async with opened(path) as (records, _, _, _):
        bad = Batch(
            NODE, Position(0, 0), Position(1, 2), 1, [(1, b"good")], [Reject(0, b"bad", "why")]
        )
        await records.add(bad)
        await records.reject(await records.begin(0, None, 9), "broker says no")
        assert records.rows == 0
        assert (await records.counters())["rejected"] == 2
    with contextlib.closing(sqlite3.connect(path)) as raw:
        found = raw.execute("SELECT seq, reason FROM rejected ORDER BY seq").fetchall()
    assert found == [(0, "why"), (1, "broker says no")]


async def test_state_survives(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    transfer = Transfer(NODE, "r1", "1.0.0", "ab" * 32, "cd" * 32, 100, "upload", 3, 1, "")
    async with opened(path) as (_, state, _, _):
        await state.save_wish(NODE, "configuration", Wish({"version": 1}, {}))
        await state.save_wish(NODE, "configuration", Wish({"version": 2}, {"state": "refused"}))
        await state.save_transfer(transfer)
        assert await state.first_time(b"x", 2000, 1000)
        assert not await state.first_time(b"x", 2000, 1000)
    async with opened(path) as (_, state, _, _):
        wishes = await state.wishes("configuration")
        assert wishes == {NODE: Wish({"version": 2}, {"state": "refused"})}
        assert await state.transfers() == {NODE: transfer}
        assert not await state.first_time(b"x", 2000, 1500)
        assert await state.first_time(b"x", 9000, 8000)  # long expired, forgotten


class Script:
    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = text

    def read_text(self, encoding: str) -> str:
        return self._text


def test_a_migration_is_all_or_nothing(tmp_path: Path) -> None:
    database = db.connect(tmp_path / "b.db")
    good = Script("001.sql", "CREATE TABLE a (x); INSERT INTO a VALUES (1);")
    bad = Script("002.sql", "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(sqlite3.OperationalError):
        db.migrate(database, [good, bad])  # type: ignore[list-item]
    assert db.version(database) == 1
    assert database.table_names() == ["a"]
    mended = Script("002.sql", "CREATE TABLE b (x);")
    assert db.migrate(database, [good, mended]) == 2  # type: ignore[list-item]
    assert sorted(database.table_names()) == ["a", "b"]
    database.conn.close()


def test_a_database_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(GatewayError, match="install the newer gateway"):
        db.open_checked(path, get())


def test_a_locked_folder_is_not_taken_for_damage(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    path.mkdir()
    with pytest.raises(OSError, match="unable to open"):
        db.open_checked(path, get())
    assert path.is_dir()

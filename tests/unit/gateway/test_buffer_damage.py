"""Damage: found, salvaged and set aside, interrupted anywhere."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gateway.buffer import database as db
from gateway.buffer import salvage as salvaging
from gateway.buffer.records import Position, Records
from gateway.buffer.state import State
from gateway.buffer.writer import Writer
from gateway.errors import BufferUnavailable
from gateway.logs import get
from tests.unit.gateway.test_buffer import NODE, batch, body, opened

COUNT = 3000
PAGE = 4096


async def filled(path: Path) -> None:
    async with opened(path) as (records, state, _, _):
        await records.add(batch(0, COUNT))
        await state.first_time(b"\x01" * 32, 10**9, 0)
        await state.reserve_counters(NODE, 0, 100)


def damage_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = content.index(body(COUNT // 2)) // PAGE * PAGE
    content[middle : middle + PAGE] = os.urandom(PAGE)
    path.write_bytes(content)


def sequences(database: db.Database) -> list[int]:
    return [seq for (seq,) in database.execute("SELECT seq FROM record ORDER BY id").fetchall()]


def aside(path: Path) -> list[Path]:
    return [p for p in path.parent.glob("*.damaged-*") if not p.name.endswith(("-wal", "-shm"))]


class Killed(BaseException):
    """As if the process ended here."""


async def test_killed_at_any_step_of_setting_aside_it_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    template = tmp_path / "template.db"
    await filled(template)
    damage_middle(template)
    insert, rename, unlink, settle = (
        salvaging._insert, Path.rename, Path.unlink, db._settle_folder,
    )  # fmt: skip
    for moment in range(1, 100):
        path = tmp_path / str(moment) / "gateway.db"
        path.parent.mkdir()
        shutil.copy(template, path)
        steps = 0

        def step(real: Any, *arguments: Any, moment: int = moment) -> Any:
            nonlocal steps
            steps += 1
            if steps == moment:
                raise Killed
            return real(*arguments)

        rows = 0

        def inserted(*arguments: Any) -> int:
            nonlocal rows
            rows += 1
            # Of the rows two moments are enough.
            return step(insert, *arguments) if rows in (5, 2000) else insert(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(salvaging, "_insert", inserted)
            patch.setattr(Path, "rename", lambda *a: step(rename, *a))
            patch.setattr(Path, "unlink", lambda p, missing_ok=False: step(unlink, p, missing_ok))
            patch.setattr(db, "_settle_folder", lambda *a: step(settle, *a))
            try:
                db.open_checked(path, get()).conn.close()
                done = True
            except Killed:
                done = False
        database = db.open_checked(path, get())
        assert len(sequences(database)) > COUNT * 0.9, f"killed at step {moment}"
        assert database.execute("SELECT epoch, seq FROM cursor").fetchall() == [(1, COUNT)]
        database.conn.close()
        assert len(aside(path)) == 1
        left = {p.name for p in path.parent.iterdir()}
        assert not left & {"gateway.db.damage", "gateway.db.new", "gateway.db.salvaged"}
        if done:
            break
    assert steps > 8


async def test_damage_at_two_places_costs_only_these_whatever_the_sequence_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salvaging, "_MOST_KEYS", 10_000)
    path = tmp_path / "gateway.db"
    await filled(path)
    with contextlib.closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE tally SET value = -999999 WHERE name = 'last_id'")
    content = bytearray(path.read_bytes())
    for seq in (COUNT // 3, COUNT - 1):
        at = content.index(body(seq)) // PAGE * PAGE
        content[at : at + PAGE] = b"\xa5" * PAGE
    path.write_bytes(content)
    into = db.connect(tmp_path / "new.db")
    db.migrate(into)
    assert db.salvage(path, into)["record"] >= COUNT - 400
    into.conn.close()


@pytest.mark.parametrize("sequence", [1 << 55, -7, 0])
@pytest.mark.parametrize("where", ["middle", "first", "last", "nowhere"])
async def test_salvage_ends_whatever_the_damaged_sequence_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sequence: int, where: str
) -> None:
    monkeypatch.setattr(salvaging, "_MOST_KEYS", 10_000)
    path = tmp_path / "gateway.db"
    await filled(path)
    with contextlib.closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE tally SET value = ? WHERE name = 'last_id'", [sequence - 1_000_000])
    if where != "nowhere":
        content = bytearray(path.read_bytes())
        seq = {"middle": COUNT // 2, "first": 0, "last": COUNT - 1}[where]
        at = content.index(body(seq)) // PAGE * PAGE
        content[at : at + PAGE] = b"\xa5" * PAGE
        path.write_bytes(content)
    into = db.connect(tmp_path / "new.db")
    db.migrate(into)
    copied = db.salvage(path, into)
    # One leaf page holds less than 200 of these.
    assert copied["record"] >= (COUNT if where == "nowhere" else COUNT - 200)
    assert sequences(into) == sorted(sequences(into))
    into.conn.close()


async def test_no_space_to_salvage_into_is_said_and_the_damaged_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gateway.db"
    await filled(path)
    damage_middle(path)
    connect = db.connect

    def small(at: Path) -> db.Database:
        database = connect(at)
        if at.name.endswith(".new"):
            database.execute("PRAGMA max_page_count = 30")
        return database

    with monkeypatch.context() as patch:
        patch.setattr(db, "connect", small)
        for _ in range(2):
            with pytest.raises(OSError, match="full"):
                db.open_checked(path, get())
    assert path.exists()
    database = db.open_checked(path, get())
    assert len(sequences(database)) > COUNT * 0.9
    database.conn.close()


def io_error(*arguments: Any) -> Any:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR | (1 << 8)
    raise error


async def test_a_passing_read_error_at_start_sets_nothing_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db.time, "sleep", lambda seconds: None)
    path = tmp_path / "gateway.db"
    await filled(path)
    migrate, times = db.migrate, 0

    def failing_twice(database: db.Database) -> int:
        nonlocal times
        times += 1
        return io_error() if times < 3 else migrate(database)

    monkeypatch.setattr(db, "migrate", failing_twice)
    database = db.open_checked(path, get())
    assert len(sequences(database)) == COUNT
    database.conn.close()
    assert not aside(path)


async def test_a_disk_that_cannot_be_read_at_all_is_not_replaced_by_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salvaging.time, "sleep", lambda seconds: None)
    path = tmp_path / "gateway.db"
    await filled(path)
    monkeypatch.setattr(db, "_open_sound", io_error)
    connect = sqlite3.connect

    class Unreadable(sqlite3.Connection):
        execute = io_error

    with monkeypatch.context() as patch:
        patch.setattr(salvaging.sqlite3, "connect", lambda at: connect(at, factory=Unreadable))
        patch.setattr(db, "connect", lambda at: db.Database(connect(at, isolation_level=None)))
        with pytest.raises(OSError, match="I/O"):
            db.open_checked(path, get())
    monkeypatch.undo()
    assert not aside(path)
    database = db.open_checked(path, get())
    assert len(sequences(database)) == COUNT
    database.conn.close()


async def test_damage_a_check_does_not_see_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    await filled(path)
    with contextlib.closing(sqlite3.connect(path)) as raw:
        root = raw.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_command_1'"
        ).fetchone()[0]
    content = bytearray(path.read_bytes())
    # A key in the index that is not the table's: quick_check compares only their numbers.
    at = content.index(b"\x01" * 32, (root - 1) * PAGE)
    content[at + 5] ^= 0x10
    path.write_bytes(content)
    told: list[str] = []
    writer = Writer(db.open_checked(path, get()), told.append)
    assert not aside(path), "the check does not see it"
    writer.start()
    with pytest.raises(BufferUnavailable, match="malformed"):
        await State(writer).first_time(b"\x07" * 32, 10**10, 2 * 10**9)
    writer.close()
    assert told
    async with opened(path) as (records, state, _, positions):
        assert aside(path)
        assert positions == {NODE: Position(1, COUNT)}
        assert records.rows == COUNT
        assert await state.first_time(b"\x07" * 32, 10**10, 2 * 10**9)


async def test_damage_met_while_reading_is_reported_and_marked(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    told: list[str] = []
    await filled(path)
    writer = Writer(db.open_checked(path, get()), told.append)
    writer.start()
    damage_middle(path)
    records = Records(writer, path, 10**6)
    with pytest.raises(BufferUnavailable, match="malformed"):
        await records.begin(0, None, 10 * COUNT)
    records.close()
    writer.close()
    assert told
    assert (tmp_path / "gateway.db.damage").exists()


async def test_counters_are_stepped_over_when_salvaged(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    await filled(path)
    with contextlib.closing(sqlite3.connect(path)) as raw:
        before = raw.execute("SELECT reserved FROM seal").fetchone()[0]
    db.mark_damaged(path, "for the test")
    async with opened(path) as (_, state, _, _):
        first, _ = await state.reserve_counters(NODE, 0, 1)
    # The file may lack its last commits.
    assert first >= before + (1 << 24)

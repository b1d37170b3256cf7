"""Bounds in age and free disk: back pressure first, telemetry before events, all of it counted."""

from __future__ import annotations

import os
import types
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.alarms import Alarms
from gateway.buffer import database as db
from gateway.buffer import drops, sweep
from gateway.buffer.disk import Disk, Wear
from gateway.buffer.housekeeping import DAY_S, Housekeeping
from gateway.buffer.records import Batch, Position, Records
from gateway.buffer.rows import ROW_OVERHEAD
from gateway.buffer.writer import Writer
from gateway.clock import SystemClock
from gateway.errors import BufferUnavailable
from gateway.logs import get
from protocol import records as kinds
from tests.unit.gateway.test_buffer import NODE, batch, opened

KEEP = 1_000_000
EACH = 8 + ROW_OVERHEAD
YEAR_S = 366 * DAY_S


class Room:
    """A file system with `free` bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 10 * KEEP
        monkeypatch.setattr(
            "gateway.buffer.disk.os.statvfs",
            lambda path: types.SimpleNamespace(f_bavail=self.free, f_frsize=1),
        )
        monkeypatch.setattr("gateway.buffer.disk._ASK_EVERY_S", 0.0)


class Buffer:
    """A buffer on a disk of which `KEEP` bytes must stay free."""

    def __init__(self, path: Path, outlets: Sequence[str] = ()) -> None:
        self.path = path
        self.writer = Writer(db.open_checked(path, get()), lambda why: None)
        self.writer.start()
        self.disk = Disk(path.parent, KEEP)
        self.records = Records(self.writer, path, 10**8, outlets, None, self.disk)
        self._next = 0

    async def __aenter__(self) -> Buffer:
        await self.records.load()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.records.close()
        self.writer.close()

    async def add(self, count: int, kind: int) -> None:
        await self.records.add(batch(self._next, count, start=self._next or None, kind=kind))
        self._next += count

    async def kinds(self) -> list[int]:
        return [row.body[1] for row in await self.records.begin(0, None, 100_000)]


async def test_a_short_disk_stops_reading_and_drops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(monkeypatch)
    async with Buffer(tmp_path / "b.db") as buffer:
        await buffer.add(10, kinds.AIR)
        assert buffer.records.why_full is None
        room.free = KEEP - 1
        assert buffer.records.why_full == "free disk"
        assert buffer.records.full
        assert not await buffer.records.sweep(YEAR_S)
        room.free = KEEP + 1
        assert buffer.records.full, "until there is somewhat more, so that it does not flutter"
        room.free = KEEP * 12 // 10
        assert not buffer.records.full
        assert buffer.records.rows == 10


async def test_a_disk_that_does_not_answer_is_short_and_drops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(path: Path) -> os.statvfs_result:
        raise OSError(5, "Input/output error")

    async with Buffer(tmp_path / "b.db") as buffer:
        await buffer.add(10, kinds.AIR)
        with monkeypatch.context() as patch:
            patch.setattr("gateway.buffer.disk.os.statvfs", dead)
            assert buffer.records.full
            assert not await buffer.records.sweep(YEAR_S)
        assert buffer.records.rows == 10


async def test_when_others_fill_the_disk_the_oldest_telemetry_goes_first_and_events_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(monkeypatch)
    async with Buffer(tmp_path / "b.db", ["home"]) as buffer:
        for kind in (kinds.FAULT, kinds.AIR, kinds.LAMP, kinds.ENERGY, kinds.EVENT, kinds.PEOPLE):
            await buffer.add(100, kind)
        await buffer.add(10, 20)  # a kind of a lamppost newer than this gateway
        await buffer.records.accept(await buffer.records.begin(0, None, 50))
        held = buffer.records.bytes
        # Critical, and 70 rows are enough: the 50 that only wait for the outlet go before any.
        room.free = KEEP // 2 - 70 * EACH
        assert buffer.disk.lacking == 0, "not yet critical"
        monkeypatch.setattr("gateway.buffer.disk._CRITICAL_AT", 0.5)
        dropped = await buffer.records.sweep(YEAR_S)
        assert (dropped.disk, dropped.events, dropped.age) == (20, 0, 0)
        assert buffer.records.kept_bytes == 0
        assert buffer.records.bytes == held - 20 * EACH
        found = await buffer.kinds()
        assert found.count(kinds.AIR) == 80, "the oldest telemetry, though events are older"
        assert found.count(kinds.FAULT) == 50
        room.free = KEEP // 2 - 300 * EACH
        dropped = await buffer.records.sweep(YEAR_S)
        # 280 of telemetry are left, so that 20 of the events must go, the oldest.
        assert (dropped.disk, dropped.events) == (300, 20)
        found = await buffer.kinds()
        assert {kind: found.count(kind) for kind in set(found)} == {
            kinds.FAULT: 30, kinds.LAMP: 100, kinds.EVENT: 100, 20: 10,
        }  # fmt: skip
        counters = await buffer.records.counters()
        assert counters["dropped_disk"] == 320
        assert counters["events_dropped"] == 20
        assert counters["dropped_age"] == 0


async def test_room_is_given_back_to_a_disk_that_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(monkeypatch)
    monkeypatch.setattr(sweep, "_PAGES_A_ROUND", 20)
    path = tmp_path / "b.db"
    async with Buffer(path) as buffer:
        for _ in range(10):
            await buffer.add(1000, kinds.AIR)
        await buffer.writer.submit_alone(lambda d: d.execute("PRAGMA wal_checkpoint").fetchall())
        large = path.stat().st_size
        await buffer.records.accept(await buffer.records.begin(0, None, 9000))
        await buffer.records.sweep(YEAR_S)
        assert path.stat().st_size == large, "kept for what comes, while there is room"
        room.free = KEEP // 2
        await buffer.records.sweep(YEAR_S)
        assert path.stat().st_size < large / 2
        assert len(await buffer.kinds()) == 1000


async def test_events_live_twice_as_long_as_telemetry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("gateway.buffer.sweep.time.monotonic", lambda: now)
    monkeypatch.setattr(drops, "_MOST_ROWS", 7)
    async with Buffer(tmp_path / "b.db") as buffer:
        for _ in range(3):
            await buffer.add(10, kinds.AIR)
            await buffer.add(10, kinds.FAULT)
            now += 100
            assert not await buffer.records.sweep(1000)
        now += 850
        # The first ten of air are 1150 s old, the second 1050.
        assert (await buffer.records.sweep(1000))[:3] == (20, 0, 0)
        assert (await buffer.kinds()).count(kinds.FAULT) == 30
        now += 951
        assert (await buffer.records.sweep(1000))[:3] == (30, 0, 20)
        assert await buffer.kinds() == [kinds.FAULT] * 10
        assert buffer.records.bytes == 10 * EACH
        counters = await buffer.records.counters()
        assert (counters["dropped_age"], counters["events_dropped"]) == (50, 20)


@pytest.mark.parametrize("jump_s", [YEAR_S, -YEAR_S])
async def test_a_clock_that_jumps_ages_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: int
) -> None:
    real = sweep.time.time
    path = tmp_path / "b.db"
    async with Buffer(path) as buffer:
        await buffer.add(10, kinds.AIR)
        monkeypatch.setattr("time.time", lambda: real() + jump_s)
        assert not await buffer.records.sweep(DAY_S)
        await buffer.add(10, kinds.AIR)
    async with Buffer(path) as buffer:
        assert not await buffer.records.sweep(DAY_S)
        monkeypatch.setattr("time.time", real)
        assert not await buffer.records.sweep(DAY_S)
        assert [row.seq for row in await buffer.records.begin(0, None, 99)] == list(range(20))


async def test_what_a_failed_commit_did_not_drop_is_dropped_by_the_next(tmp_path: Path) -> None:
    async with opened(tmp_path / "b.db") as (records, _, writer, _):
        await records.add(batch(0, 10))
        gone = drops.Drops()

        def fail(database: db.Database) -> None:
            gone.for_room(database, 5 * EACH)
            raise ValueError("not committed")

        with pytest.raises(ValueError, match="not committed"):
            await writer.submit(fail)
        assert len(await records.begin(0, None, 99)) == 10
        done = await writer.submit(lambda database: gone.for_room(database, 5 * EACH))
        assert done == (0, 5, 0, 5 * EACH)
        assert [row.seq for row in await records.begin(0, None, 99)] == list(range(5, 10))


async def test_what_is_written_is_counted_over_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    monkeypatch.setattr(Wear, "_count", lambda self: written)
    path = tmp_path / "b.db"
    for total in (4096, 8192):
        async with opened(path) as (records, _, _, _):
            written += 4096
            await records.sweep(YEAR_S)
            await records.sweep(YEAR_S)
            assert (await records.counters())["written_bytes"] == total


def test_what_the_kernel_says_of_this_thread_is_what_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = [b"rchar: 77\nwrite_bytes: %d\ncancelled_write_bytes: 5\n" % n for n in (10, 4106, 4106)]
    with monkeypatch.context() as patch:
        patch.setattr("gateway.buffer.disk.os.pread", lambda file, size, at: said.pop(0))
        wear = Wear()
        assert [wear.since(), wear.since()] == [4096, 0]
    wear.close()
    assert wear.since() == 0, "as where the kernel does not count"


class Watched:
    """Housekeeping with its alarms, by name."""

    def __init__(self, records: Records, path: Path, max_age_days: float = 365) -> None:
        self.alarms = Alarms(SystemClock(), get())
        self.keeping = Housekeeping(records, path, max_age_days, self.alarms, get())

    async def names(self) -> dict[str, str]:
        await self.keeping.sweep()
        self.keeping.look()
        return {alarm.name: alarm.severity for alarm in self.alarms.raised}


async def test_what_a_person_must_see_to_is_an_alarm_until_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(monkeypatch)
    path = tmp_path / "b.db"
    async with Buffer(path) as buffer:
        await buffer.add(100, kinds.AIR)
    db.mark_damaged(path, "for the test")
    async with Buffer(path) as buffer:
        watched = Watched(buffer.records, path)
        assert await watched.names() == {"database_damaged": "critical"}
        assert (await buffer.records.counters())["salvages"] == 1
        assert (await buffer.records.counters())["salvaged_at"] > 0
        for file in db.set_aside(path):
            file.unlink()
        assert await watched.names() == {}
        room.free = KEEP // 2
        assert await watched.names() == {"disk_short": "warning"}
        room.free = KEEP // 5
        assert await watched.names() == {"disk_short": "critical", "records_dropped": "critical"}
        room.free = 2 * KEEP
        assert await watched.names() == {"records_dropped": "critical"}
        assert buffer.records.rows == 0

        async def failing(max_age_s: float) -> object:
            raise BufferUnavailable("the database cannot commit: database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(buffer.records, "sweep", failing)
            assert "database_unwritable" in await watched.names()
        assert "database_unwritable" not in await watched.names()


async def test_a_full_buffer_is_an_alarm(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    async with opened(path, max_bytes=5 * EACH) as (records, _, _, _):
        watched = Watched(records, path)
        await records.add(batch(0, 5))
        assert await watched.names() == {"buffer_full": "warning"}
        await records.accept(await records.begin(0, None, 9))
        assert await watched.names() == {}


async def test_copies_of_a_database_damaged_again_and_again_do_not_fill_the_disk(
    tmp_path: Path,
) -> None:
    path = tmp_path / "b.db"
    for number in range(6):
        async with opened(path) as (records, _, _, _):
            await records.add(
                Batch(NODE, Position(bool(number), number), Position(1, number + 1), 1,
                      [(number, b"12345678")])
            )  # fmt: skip
        db.mark_damaged(path, f"time {number}")
    async with opened(path) as (records, _, _, _):
        assert records.rows == 6, "what can be read goes on each time"
        assert (await records.counters())["salvages"] == 6
    assert len(db.set_aside(path)) == 3

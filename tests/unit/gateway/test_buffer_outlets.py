"""Second outlets: each passes every row in its own time and holds nobody back."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from gateway.buffer import database as db
from gateway.buffer import tallies
from gateway.buffer.records import ROW_OVERHEAD, Records
from gateway.buffer.writer import Writer
from gateway.logs import get
from tests.unit.gateway.test_buffer import batch

EACH = 8 + ROW_OVERHEAD


@contextlib.asynccontextmanager
async def opened(
    path: Path, outlets: Sequence[str], outlet_bytes: int | None = None
) -> AsyncGenerator[Records, None]:
    writer = Writer(db.open_checked(path, get()), lambda why: None)
    writer.start()
    records = Records(writer, path, 10**6, outlets, outlet_bytes)
    try:
        await records.load()
        yield records
        # Exact at every end: the totals are what a count of the rows gives.
        counted = await writer.submit(tallies.stock)
        assert counted == (records.rows, records.bytes, records.kept_bytes)
    finally:
        records.close()
        writer.close()


def numbers(rows: Sequence[object]) -> list[int]:
    return [row.seq for row in rows]  # type: ignore[attr-defined]


def counted(path: Path, name: str) -> tuple[int, int]:
    with contextlib.closing(sqlite3.connect(path)) as raw:
        return raw.execute("SELECT passed, missed FROM outlet WHERE name = ?", [name]).fetchone()


async def test_a_row_stays_until_the_broker_and_every_outlet_have_it(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    async with opened(path, ["home", "scada"]) as records:
        await records.add(batch(0, 10))
        await records.accept((await records.begin(0, None, 100))[:6])
        assert numbers(await records.begin(0, None, 100)) == [6, 7, 8, 9]
        home = await records.begin_for("home", 100)
        assert numbers(home) == list(range(10))
        await records.passed("home", home[3].id)
    async with opened(path, ["home", "scada"]) as records:
        assert numbers(await records.begin_for("home", 3)) == [4, 5, 6]
        assert numbers(await records.begin_for("home", 3, after=7)) == [7, 8, 9]
        scada = await records.begin_for("scada", 100)
        assert numbers(scada) == list(range(10)), "it has passed nothing yet"
        assert records.kept_bytes == 6 * EACH
        await records.passed("scada", scada[-1].id)
        assert records.kept_bytes == 2 * EACH, "home has still to pass these"
        await records.passed("home", scada[-1].id)
        assert records.kept_bytes == 0
        assert numbers(await records.begin(0, None, 100)) == [6, 7, 8, 9], "the broker's"
        await records.accept(await records.begin(0, None, 100))
        assert (records.rows, records.kept_bytes) == (0, 0), "nobody needs them any more"
    assert counted(path, "home") == counted(path, "scada") == (10, 0)


async def test_a_new_outlet_begins_at_the_newest_row_and_one_taken_out_is_forgotten(
    tmp_path: Path,
) -> None:
    path = tmp_path / "b.db"
    async with opened(path, ["old"]) as records:
        await records.add(batch(0, 5))
        await records.accept(await records.begin(0, None, 3))
    async with opened(path, ["new"]) as records:
        assert records.kept_bytes == 0, "kept for nobody"
        assert await records.begin_for("new", 100) == []
        await records.add(batch(5, 2, start=5))
        assert numbers(await records.begin_for("new", 100)) == [5, 6]
    async with opened(path, ["old", "new"]) as records:
        assert await records.begin_for("old", 100) == [], "a new one once more"
        with pytest.raises(KeyError):
            await records.begin_for("other", 1)
        with pytest.raises(ValueError, match="the newest is 7"):
            await records.passed("new", 8)


async def test_an_outlet_that_is_away_holds_nobody_back_and_what_it_missed_is_counted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "b.db"
    async with opened(path, ["away", "there"], outlet_bytes=100 * EACH) as records:
        missed = 0
        for first in range(0, 1000, 20):
            await records.add(batch(first, 20, start=first or None))
            rows = await records.begin(0, None, 100)
            await records.accept(rows)
            await records.passed("there", rows[-1].id)
            assert records.rows == 0
            assert records.bytes == 0, "nothing that could make the buffer full"
            assert records.kept_bytes <= 100 * EACH
        rows = await records.begin_for("away", 10_000)
        assert numbers(rows) == list(range(1000 - len(rows), 1000))
        missed = 1000 - len(rows)
        assert len(rows) >= 80
        await records.passed("away", rows[-1].id)
    assert counted(path, "away") == (1000 - missed, missed)
    assert counted(path, "there") == (1000, 0)


async def test_live_rows_accepted_before_the_backlog_reach_an_outlet_in_order_of_id(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "b.db", ["home"]) as records:
        await records.add(batch(0, 10))
        rows = await records.begin(0, None, 100)
        await records.accept(rows[7:])
        await records.reject(rows[2:4], "refused")
        assert numbers(await records.begin_for("home", 100)) == list(range(10))
        # A repeat after a lost connection meets none of these.
        await records.accept(rows[7:])
        await records.accept(rows[:2])
        assert numbers(await records.begin_for("home", 100)) == list(range(10))
        # Refused for good by the broker: they keep their place beside the five on their way.
        assert (records.rows, records.bytes) == (3, 5 * EACH)
        await records.accept(await records.begin(0, None, 100))
        await records.passed("home", rows[-1].id)
        assert records.bytes == 2 * EACH


async def test_what_is_too_old_is_dropped_for_an_outlet_as_for_the_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("gateway.buffer.sweep.time.monotonic", lambda: now)
    path = tmp_path / "b.db"
    async with opened(path, ["home", "ahead"]) as records:
        await records.add(batch(0, 6))
        rows = await records.begin(0, None, 100)
        await records.accept(rows[:2])
        await records.passed("ahead", rows[3].id)
        now += 100
        await records.sweep(1000)
        await records.add(batch(6, 1, start=6))
        assert (await records.sweep(60)).age == 4, "of those on their way up"
        assert numbers(await records.begin_for("home", 100)) == [6]
    assert counted(path, "home") == (0, 6)
    assert counted(path, "ahead") == (4, 2)


async def test_a_salvaged_database_gives_no_id_that_an_outlet_has_passed(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    async with opened(path, ["home"]) as records:
        await records.add(batch(0, 50))
        rows = await records.begin(0, None, 100)
        await records.accept(rows)
        await records.passed("home", rows[39].id)
    db.mark_damaged(path, "for the test")
    async with opened(path, ["home"]) as records:
        assert numbers(await records.begin_for("home", 100)) == list(range(40, 50))
        await records.passed("home", rows[-1].id)
    db.mark_damaged(path, "for the test, with nothing in it")
    async with opened(path, ["home"]) as records:
        await records.add(batch(50, 3, start=50))
        assert numbers(await records.begin_for("home", 100)) == [50, 51, 52]


async def test_each_outlet_is_told_of_what_was_added(tmp_path: Path) -> None:
    async with opened(tmp_path / "b.db", ["home", "scada"]) as records:
        assert not records.added_for["home"].is_set()
        await records.add(batch(0, 1))
        records.added_for["scada"].clear()
        assert records.added_for["home"].is_set()

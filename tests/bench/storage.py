"""Storage alone: the gateway's buffer, raw sqlite3 and ThingsBoard gateway's, taking turns.

A record is put until it is committed (ours and the raw one's: flushed to the disk), then read in
packs and acknowledged, which deletes it. Both begin with a write-ahead log that has been once
round, as it is a minute after a start: a file that still grows is slower to flush, and the two grow
to different sizes.

One lamppost alone waits for each commit and, in the gateway, for two changes of thread; as soon as
two are read at once, as on two buses, their batches share the commits.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from gateway.buffer.database import open_checked
from gateway.buffer.records import Batch, Position, Records
from gateway.buffer.writer import Writer
from gateway.logs import get
from simulators.tools import ToolError
from tests.bench.peers import storage as thingsboard
from tests.bench.rows import Row
from tests.bench.samples import NODE

ROUNDS = 3
COUNTS = {1: 2_000, 10: 10_000, 100: 50_000, 1000: 100_000}
# Bytes of a record, about what a lamppost's take.
SIZE = 40
_PACK = 1000
_PAGES_ROUND = 4200
_THINGSBOARD_MESSAGES = 20_000


def run() -> list[Row]:
    """Measure, the parties taking turns, and give the medians."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        for batch, count in COUNTS.items():
            rows += _batch(folder / str(batch), batch, count)
        rows += _against_thingsboard(folder / "peer")
    return rows


def _batch(folder: Path, batch: int, count: int) -> list[Row]:
    ours: list[tuple[float, float]] = []
    two: list[tuple[float, float]] = []
    raw: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        base = folder / str(number)
        base.mkdir(parents=True)
        ours.append(asyncio.run(_ours(base / "ours.db", batch, count)))
        raw.append(_raw(base / "raw.db", batch, count))
        two.append(asyncio.run(_ours(base / "two.db", batch, count, 2)))
    put, read = _middle(ours)
    raw_put, raw_read = _middle(raw)
    # Pair by pair, so that what slows the machine slows both.
    put_ratio = sorted(a[0] / b[0] for a, b in zip(ours, raw, strict=True))[ROUNDS // 2]
    two_ratio = sorted(a[0] / b[0] for a, b in zip(two, raw, strict=True))[ROUNDS // 2]
    read_ratio = sorted(a[1] / b[1] for a, b in zip(ours, raw, strict=True))[ROUNDS // 2]
    what = f"batches of {batch}"
    return [
        Row("storage", f"committed, {what}", put, "records/s", f"raw sqlite3: {raw_put:,.0f}"),
        Row("storage", f"committed / raw, {what}", put_ratio, "ratio", "target: at least 0.8"),
        Row("storage", f"committed / raw, {what}, two lampposts", two_ratio, "ratio",
            "at once; target: at least 0.8"),
        Row("storage", f"read and acknowledged, {what}", read, "records/s",
            f"raw sqlite3: {raw_read:,.0f}"),
        Row("storage", f"read and acknowledged / raw, {what}", read_ratio, "ratio"),
    ]  # fmt: skip


def _against_thingsboard(folder: Path) -> list[Row]:
    folder.mkdir()
    try:
        theirs = [
            thingsboard.measure(folder / str(number), _THINGSBOARD_MESSAGES, SIZE)
            for number in range(ROUNDS)
        ]
    except ToolError as why:
        return [Row("storage", "ThingsBoard gateway's storage", 0, "not had", str(why))]
    ours = [
        asyncio.run(_ours(folder / f"ours{number}.db", 100, _THINGSBOARD_MESSAGES))
        for number in range(ROUNDS)
    ]
    put, read = _middle([(rates.put, rates.read) for rates in theirs])
    our_put, our_read = _middle(ours)
    note = "in the file, not flushed to the disk"
    return [
        Row("storage", "ThingsBoard gateway: stored", put, "messages/s", note),
        Row("storage", "ThingsBoard gateway: read and done", read, "messages/s"),
        Row("storage", "committed / ThingsBoard's stored", our_put / put, "ratio",
            "ours in batches of 100, flushed"),
        Row("storage", "read and acknowledged / ThingsBoard's", our_read / read, "ratio"),
    ]  # fmt: skip


def _middle(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    first, second = (sorted(values)[len(values) // 2] for values in zip(*pairs, strict=True))
    return first, second


async def _ours(path: Path, batch: int, count: int, lampposts: int = 1) -> tuple[float, float]:
    writer = Writer(open_checked(path, get()), lambda damage: print("damaged:", damage))
    writer.start()
    records = Records(writer, path, 2_000_000_000)
    await records.load()
    await writer.submit_alone(lambda database: _once_round(database.conn))
    body = bytes(SIZE)

    async def lamppost(number: int) -> None:
        node = NODE[:-1] + bytes((number,))
        for first in range(0, count // lampposts, batch):
            # One after the other: each is acknowledged before the next, as one lamppost's are.
            bodies = [(first + place, body) for place in range(batch)]
            start = Position(7, first) if first else Position(0, 0)
            await records.add(Batch(node, start, Position(7, first + batch), 7, bodies))

    began = time.perf_counter()
    await asyncio.gather(*(lamppost(number) for number in range(lampposts)))
    put = count / (time.perf_counter() - began)
    began = time.perf_counter()
    after = 0
    while rows := await records.begin(after, None, _PACK):
        after = rows[-1].id
        await records.accept(rows)
    read = count / (time.perf_counter() - began)
    records.close()
    writer.close()
    return put, read


def _raw(path: Path, batch: int, count: int) -> tuple[float, float]:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute(
            "CREATE TABLE record (id INTEGER PRIMARY KEY AUTOINCREMENT, node BLOB, epoch INTEGER,"
            " seq INTEGER, body BLOB, received INTEGER)"
        )
        _once_round(database)
        body = bytes(SIZE)
        began = time.perf_counter()
        for first in range(0, count, batch):
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT INTO record (node, epoch, seq, body, received) VALUES (?, ?, ?, ?, ?)",
                [(NODE, 7, first + place, body, 0) for place in range(batch)],
            )
            database.execute("COMMIT")
        put = count / (time.perf_counter() - began)
        began = time.perf_counter()
        after = 0
        read = "SELECT id, node, epoch, seq, body FROM record WHERE id > ? ORDER BY id LIMIT ?"
        while rows := database.execute(read, [after, _PACK]).fetchall():
            after = rows[-1][0]
            database.execute("BEGIN IMMEDIATE")
            database.execute("DELETE FROM record WHERE id >= ? AND id <= ?", [rows[0][0], after])
            database.execute("COMMIT")
        took = time.perf_counter() - began
    return put, count / took


def _once_round(database: sqlite3.Connection) -> None:
    """Fill the write-ahead log beyond where it is worked in and begun anew."""
    database.execute("CREATE TABLE filler (body BLOB)")
    database.execute("BEGIN")
    for _ in range(_PAGES_ROUND):
        database.execute("INSERT INTO filler VALUES (zeroblob(3900))")
    database.execute("COMMIT")
    database.execute("DROP TABLE filler")

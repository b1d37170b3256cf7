"""Records a second from frames off the line to committed, against raw sqlite3 in the same run.

The gateway's way is the whole of it: frames cut from a byte stream, seals opened, replies parsed
and checked, batches committed by the group-committing writer with the read positions. The raw way
is the least that could be done with the same records: one ``executemany`` and one commit a batch.
Both use WAL and synchronous=FULL on the same disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.buffer.database import open_checked
from gateway.buffer.records import Position, Records
from gateway.buffer.writer import Writer
from gateway.lampposts.readings import batch_of
from gateway.logs import get
from protocol import envelope, messages, smp
from protocol.busframe import Deframer
from tests.bench.rows import Row
from tests.bench.samples import KEY, NODE, night
from tests.bench.wire import batches, exchange

LAMPPOSTS = 32
RECORDS_EACH = 1200
ROUNDS = 3
_CHUNK = 4096


def run() -> list[Row]:
    """Measure ``ROUNDS`` times, the two taking turns, and give the medians."""
    whole: list[float] = []
    committed: list[float] = []
    raw: list[float] = []
    grouped: list[float] = []
    replies = _replies()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        for number in range(ROUNDS):
            base = Path(folder) / str(number)
            base.mkdir()
            whole.append(asyncio.run(_gateway(base / "whole.db", replies, frames=True)))
            committed.append(asyncio.run(_gateway(base / "parsed.db", replies, frames=False)))
            raw.append(_raw(base / "raw.db", [batch for _, _, batch in replies], 1))
            grouped.append(_raw(base / "group.db", [batch for _, _, batch in replies], LAMPPOSTS))
    middle = {
        name: sorted(values)[ROUNDS // 2]
        for name, values in (
            ("whole", whole),
            ("committed", committed),
            ("raw", raw),
            ("grouped", grouped),
        )
    }
    size = LAMPPOSTS * RECORDS_EACH / len(replies)
    unit = "records/s"
    return [
        Row("gateway", "frames to committed", middle["whole"], unit,
            f"{len(replies)} sealed replies of {size:.0f} records, {LAMPPOSTS} lampposts"),
        Row("gateway", "parsed batches to committed", middle["committed"], unit,
            "the buffer alone"),
        Row("gateway", "raw sqlite3, a commit each batch", middle["raw"], unit),
        Row("gateway", f"raw sqlite3, a commit each {LAMPPOSTS} batches", middle["grouped"], unit),
        Row("gateway", "frames to committed / raw", middle["whole"] / middle["raw"], "ratio",
            "a commit each batch"),
        Row("gateway", "buffer alone / raw", middle["committed"] / middle["raw"], "ratio",
            "a commit each batch"),
        Row("gateway", "share of a full bus at 115200 baud", middle["whole"] / _bus_rate(replies),
            "times", "above 1, the gateway is faster than the line can bring records"),
    ]  # fmt: skip


Replies = list[tuple[bytes, int, list[bytes]]]
"""(frame, first sequence, records): a lamppost's replies, in order."""


def _replies() -> Replies:
    made: Replies = []
    sequence = 0
    for number, batch in enumerate(batches(night(RECORDS_EACH * LAMPPOSTS))):
        made.append((exchange(number + 1, sequence, batch)[1], sequence, batch))
        sequence += len(batch)
    return made


def _bus_rate(replies: Replies) -> float:
    """Records a second that the line could carry if it carried nothing but these replies."""
    line_bytes = sum(len(frame) for frame, _, _ in replies)
    return LAMPPOSTS * RECORDS_EACH / (line_bytes * 10 / 115_200)


async def _gateway(path: Path, replies: Replies, *, frames: bool) -> float:
    database = open_checked(path, get())
    writer = Writer(database, lambda damage: print("damaged:", damage))
    writer.start()
    records = Records(writer, path, 2_000_000_000)
    await records.load()
    bodies = [messages.readings_reply(7, first, batch, 2000, 12, 80) for _, first, batch in replies]
    nodes = [number.to_bytes(6, "big") for number in range(LAMPPOSTS)]
    positions = dict.fromkeys(nodes, Position(0, 0))
    began = time.perf_counter()
    if frames:
        bodies = _opened(b"".join(frame for frame, _, _ in replies))
    pending: list[asyncio.Task[None]] = []
    for number, body in enumerate(bodies):
        node = nodes[number % LAMPPOSTS]
        reply = batch_of(node, positions[node], body)
        assert reply.batch is not None
        positions[node] = reply.batch.next
        pending.append(asyncio.create_task(records.add(reply.batch)))
        if len(pending) == LAMPPOSTS:
            # A lamppost's next reply is not read before its last is committed.
            await asyncio.gather(*pending)
            pending.clear()
    await asyncio.gather(*pending)
    took = time.perf_counter() - began
    counted = await records.counters()
    records.close()
    writer.close()
    assert counted["added"] == LAMPPOSTS * RECORDS_EACH, counted
    return LAMPPOSTS * RECORDS_EACH / took


def _opened(stream: bytes) -> Iterator[dict[str, Any]]:
    deframer = Deframer()
    for at in range(0, len(stream), _CHUNK):
        for _, _, _, payload in deframer.feed(stream[at : at + _CHUNK]):
            sealed = messages.parse_sealed(smp.unpack(payload)[4])
            plain, _, _ = envelope.open_sealed({1: KEY}, NODE, envelope.FROM_NODE, sealed)
            yield smp.unpack(plain)[4]
    assert deframer.rejected == 0


def _raw(path: Path, groups: Sequence[list[bytes]], together: int) -> float:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute(
            "CREATE TABLE record (id INTEGER PRIMARY KEY, node BLOB, epoch INTEGER, seq INTEGER,"
            " body BLOB, received INTEGER)"
        )
        began = time.perf_counter()
        sequence = 0
        for first in range(0, len(groups), together):
            database.execute("BEGIN IMMEDIATE")
            for batch in groups[first : first + together]:
                rows = [(NODE, 7, sequence + place, body, 0) for place, body in enumerate(batch)]
                database.executemany(
                    "INSERT INTO record (node, epoch, seq, body, received) VALUES (?, ?, ?, ?, ?)",
                    rows,
                )
                sequence += len(batch)
            database.execute("COMMIT")
        took = time.perf_counter() - began
    return sequence / took

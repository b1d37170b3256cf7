"""What is new does not wait for the backlog, whatever that is like."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.buffer.database import open_checked
from gateway.buffer.records import Batch, Position, Records
from gateway.buffer.writer import Writer
from gateway.logs import get
from gateway.uplink.drain import Drain
from protocol import cbor

OLD, NEW = bytes((1,)) * 6, bytes((2,)) * 6
IN_FLIGHT = 10


class Client:
    """Acknowledges a message when its turn has come round; `sent` by the node it is of."""

    largest_packet = ended = None

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.at = asyncio.Event()
        self.wanted = 0

    async def send(self, topic: str, payload: bytes, *_: object) -> int:
        self.sent.append(cbor.loads(payload)[1])
        if len(self.sent) >= self.wanted:
            self.at.set()
            # Until whoever waits for it has done what it wants at this point.
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        return 0

    async def has_sent(self, count: int) -> None:
        self.wanted = count
        self.at.clear()
        await asyncio.wait_for(self.at.wait(), 60)


# Records that make one message of many, and such that make one of each.
@pytest.mark.parametrize(("step", "count"), [(1, 50_000), (2, 3_000)])
async def test_a_new_record_passes_a_backlog_within_a_pipeline_of_messages(
    tmp_path: Path, step: int, count: int
) -> None:
    writer = Writer(open_checked(tmp_path / "b.db", get()), lambda why: None)
    writer.start()
    records = Records(writer, tmp_path / "b.db", 10**9)
    await records.load()
    keys = list(range(0, count * step, step))
    rows = [(key, b"\x82\x01" + b"%058d" % key) for key in keys]
    await records.add(Batch(OLD, Position(0, 0), Position(1, keys[-1] + 1), 1, rows))
    client = Client()
    drain = Drain(records, "t", IN_FLIGHT, None, get())
    running = asyncio.create_task(drain.run(cast("Any", client)))
    try:
        for number in range(3):
            await client.has_sent(len(client.sent) + 15)
            before = len(client.sent)
            start = Position(1, number) if number else Position(0, 0)
            await records.add(Batch(NEW, start, Position(1, number + 1), 1, [(number, b"\x80")]))
            added = len(client.sent)
            await client.has_sent(added + IN_FLIGHT + 4)
            assert client.sent[before:].count(NEW) == 1
            assert client.sent.index(NEW, before) - added <= IN_FLIGHT + 2
        assert records.rows > 1000, "and the backlog was there all the while"
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        records.close()
        writer.close()

"""The uplink alone: a real buffer, its drain and its connection, to any broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from gateway.buffer.database import open_checked
from gateway.buffer.records import Batch, Position, Records
from gateway.buffer.writer import Writer
from gateway.clock import SystemClock
from gateway.config import MqttSection
from gateway.logs import get
from gateway.uplink.drain import Drain
from gateway.uplink.link import Link
from gateway.uplink.topics import Topics
from protocol import cbor

GATEWAY = "cabinet-1"
CLIENT = f"lamplighter-{GATEWAY}"
Key = tuple[bytes, int, int]


def node(number: int) -> bytes:
    return bytes((0xA0, 0xB1, 0xC2, 0xD3, number >> 8, number & 0xFF))


class Rig:
    """`records` and the `link` they go up by; `written` is the ledger."""

    def __init__(self, records: Records, link: Link) -> None:
        self.records = records
        self.link = link
        self.written: dict[Key, bytes] = {}
        self._next: dict[bytes, int] = {}

    async def add(self, count: int, who: int = 0, size: int = 60) -> None:
        """Add records of `size` bytes of the lamppost number `who`."""
        name, first = node(who), self._next.get(node(who), 0)
        rows = [
            (seq, bytes((0x82, 1, 0x58, size - 4)) + b"%0*d" % (size - 4, seq))
            for seq in range(first, first + count)
        ]
        self._next[name] = first + count
        start = Position(1, first) if first else Position(0, 0)
        await self.records.add(Batch(name, start, Position(1, first + count), 1, rows))
        self.written |= {(name, 1, seq): body for seq, body in rows}


def ledger(payloads: list[bytes]) -> dict[Key, bytes]:
    """What the records' messages hold. Raises AssertionError where two of a key differ."""
    found: dict[Key, bytes] = {}
    for payload in payloads:
        schema, name, epoch, first, bodies = cbor.loads(payload)
        assert schema == 1
        for seq, body in enumerate(bodies, first):
            assert found.setdefault((name, epoch, seq), body) == body
    return found


@contextlib.asynccontextmanager
async def rig(folder: Path, port: int, **settings: Any) -> AsyncGenerator[Rig]:
    """Running until the end of the block. settings: of `[mqtt]`."""
    mqtt = MqttSection.model_validate({"host": "127.0.0.1", "port": port, "require_ingest": False})
    # Not checked: a test may want a keepalive that is shorter than a city's.
    mqtt = mqtt.model_copy(update=settings)
    writer = Writer(open_checked(folder / "gateway.db", get()), lambda why: None)
    writer.start()
    records = Records(writer, folder / "gateway.db", 10**9)
    await records.load()
    drain = Drain(records, Topics(GATEWAY).records, mqtt.in_flight, None, get())
    made = Rig(records, Link(GATEWAY, "0", mqtt, SystemClock(), drain, get()))
    running = asyncio.create_task(made.link.run())
    try:
        yield made
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        records.close()
        writer.close()

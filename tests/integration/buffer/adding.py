"""A process that adds batches for ever and says of each when it is durable: for a test to kill."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from gateway.buffer.database import open_checked
from gateway.buffer.records import Batch, Position, Records
from gateway.buffer.state import State
from gateway.buffer.writer import Writer
from gateway.logs import get

LAMPPOSTS = 4
EACH = 10


def node(number: int) -> bytes:
    """The id of a lamppost."""
    return bytes((0xA0, 0, 0, 0, 0, number))


def body(number: int, seq: int) -> bytes:
    """The record `seq` of a lamppost."""
    return b"\x85\x02%d:%06d" % (number, seq)


async def run(path: Path) -> None:
    """Add, and print a line "<lamppost> <next>" or "seal <end>" for all that is committed."""
    writer = Writer(open_checked(path, get()), print)
    writer.start()
    records = Records(writer, path, 10**9)
    positions = await records.load()
    state = State(writer)

    async def lamppost(number: int) -> None:
        at = positions.get(node(number), Position(0, 0))
        while True:
            end = Position(1, at.seq + EACH)
            rows = [(seq, body(number, seq)) for seq in range(at.seq, end.seq)]
            await records.add(Batch(node(number), at, end, 1, rows))
            os.write(1, b"%d %d\n" % (number, end.seq))
            at = end

    async def seals() -> None:
        while True:
            _, end = await state.reserve_counters(node(0), 0, 100)
            os.write(1, b"seal %d\n" % end)

    await asyncio.gather(seals(), *(lamppost(number) for number in range(LAMPPOSTS)))


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))

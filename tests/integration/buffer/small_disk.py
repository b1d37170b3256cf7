"""Run in a name space of its own: a buffer on a real disk of 6 MB, filled and made read-only.

Prints a JSON object of what happened, for `test_small_disk`.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from gateway.buffer import database as db
from gateway.buffer.disk import Disk
from gateway.buffer.records import Batch, Position, Records
from gateway.buffer.writer import Writer
from gateway.errors import BufferUnavailable
from gateway.logs import get
from protocol.records import AIR, FAULT

NODE = bytes.fromhex("a0b1c2d3e4f5")
SIZE = 6_000_000
KEEP = 1_200_000


def batch(first: int, count: int, kind: int) -> Batch:
    """Records of 60 bytes that follow on from the last."""
    start = Position(1, first) if first else Position(0, 0)
    rows = [(seq, bytes((0x85, kind)) + b"%058d" % seq) for seq in range(first, first + count)]
    return Batch(NODE, start, Position(1, first + count), 1, rows)


class Trial:
    """A buffer on the small disk, and what was acknowledged of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "gateway.db"
        self.filler = folder / "filler"
        self.damage: list[str] = []
        self.writer = Writer(db.open_checked(self.path, get()), self.damage.append)
        self.writer.start()
        self.disk = Disk(folder, KEEP)
        self.records = Records(self.writer, self.path, 10**9, (), None, self.disk)
        self.acknowledged = 0

    async def begin(self) -> None:
        """Take stock; the log is worked in as often as suits so small a disk."""
        await self.records.load()
        await self.writer.submit_alone(
            lambda database: database.execute("PRAGMA wal_autocheckpoint = 60").fetchall()
        )

    async def add(self, count: int, kind: int = AIR) -> str:
        """Add; gives what went wrong, or ""."""
        try:
            await self.records.add(batch(self.acknowledged, count, kind))
        except BufferUnavailable as error:
            return str(error)
        self.acknowledged += count
        return ""

    async def until_it_fails(self) -> str:
        """Add until something goes wrong; gives what."""
        for _ in range(1000):
            if wrong := await self.add(200):
                return wrong
        return "never"

    async def numbers(self) -> list[int]:
        """Those of the records that are there."""
        return [row.seq for row in await self.records.begin(0, None, 10**6)]

    def fill(self, leave: int) -> None:
        """Have somebody else take all the room but `leave` bytes."""
        self.disk.ask_again()
        room = self.disk.free - leave
        with self.filler.open("ab") as file:
            file.write(b"x" * max(0, room))
        self.disk.ask_again()

    def clear(self) -> None:
        """Have them give it back."""
        self.filler.write_bytes(b"")
        self.disk.ask_again()

    def close(self) -> None:
        """As at the end of a gateway."""
        self.records.close()
        self.writer.close()


async def run(folder: Path) -> dict[str, Any]:
    """What a test looks at."""
    found: dict[str, Any] = {}
    trial = Trial(folder)
    await trial.begin()
    await trial.add(500, FAULT)
    # Full to the last byte: nothing is stored, nothing lost, and it goes on when there is room.
    trial.fill(300_000)
    found["full"] = await trial.until_it_fails()
    found["full_again"] = await trial.add(200)
    found["full_kept"] = await trial.numbers() == list(range(trial.acknowledged))
    found["full_short"] = trial.records.why_full
    trial.clear()
    found["after_full"] = await trial.add(200)
    # Critically short: room is made, by the oldest telemetry.
    for _ in range(20):
        await trial.add(500)
    before = trial.records.rows
    trial.fill(KEEP // 2)
    found["short"] = [*await trial.records.sweep(10**9)]
    trial.fill(KEEP // 8)
    dropped = await trial.records.sweep(10**9)
    trial.disk.ask_again()
    found["dropped"] = [dropped.disk, dropped.events]
    found["gone"] = before - trial.records.rows
    found["free_after"] = trial.disk.free
    numbers = await trial.numbers()
    found["events_stay"] = numbers[:500] == list(range(500))
    found["newest_stay"] = numbers[500:] == list(
        range(trial.acknowledged - len(numbers) + 500, trial.acknowledged)
    )
    trial.clear()
    # As a card becomes that is worn out: what is open can be read, and no write goes through.
    writes(allowed=False)
    found["no_write"] = await trial.add(200)
    found["no_write_reads"] = await trial.numbers() == numbers
    writes(allowed=True)
    found["after_no_write"] = await trial.add(200)
    found["damage"] = trial.damage
    trial.close()
    mount(folder, "ro")
    try:
        db.open_checked(trial.path, get())
        found["read_only_start"] = "opened"
    except OSError as error:
        found["read_only_start"] = str(error)
    mount(folder, "rw")
    again = Trial(folder)
    await again.begin()
    found["at_the_end"] = await again.numbers() == [
        *numbers, *range(trial.acknowledged - 200, trial.acknowledged),
    ]  # fmt: skip
    found["aside"] = [str(file) for file in db.set_aside(again.path)]
    again.close()
    return found


def writes(*, allowed: bool) -> None:
    """Have every write of this process fail, or not."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if allowed else 0, hard))


def mount(folder: Path, how: str) -> None:
    """Mount the small disk anew, "ro" or "rw"."""
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "small", str(place)], check=True)
    print(json.dumps(asyncio.run(run(place))))

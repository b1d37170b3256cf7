"""A whole gateway on a real small disk: full while it runs, taking no write, full at the start."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.integration.buffer.test_small_disk import _ALONE, may_mount  # pyright: ignore[reportPrivateUsage]
from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import GatewayProcess, Street, eventually, street

# Room for the whole write-ahead log, and for a database beside another.
SIZE = 40_000_000
ON_A_DISK = 'mount -t tmpfs -o size="$1" small "$2" && shift 2 && exec "$@"'


class SmallDisk(GatewayProcess):
    """A gateway whose data folder is on a disk of `SIZE` bytes, until it ends."""

    @property
    def command(self) -> list[str]:
        self.data.mkdir(exist_ok=True)
        return [*_ALONE, "sh", "-c", ON_A_DISK, "sh", str(SIZE), str(self.data), *super().command]

    async def there(self, script: str) -> None:
        """Have a shell do something in its folder."""
        enter = [
            "nsenter",
            "--target",
            str(self.pid),
            "--user",
            "--mount",
            "--preserve-credentials",
        ]
        done = await asyncio.create_subprocess_exec(
            *enter, "sh", "-c", f"cd {self.data} && {script}", stderr=subprocess.PIPE
        )
        _, said = await done.communicate()
        assert done.returncode == 0, said

    async def fill(self) -> None:
        await self.there("cat /dev/zero > filler 2> /dev/null; test -s filler")

    async def clear(self) -> None:
        await self.there("rm filler")


@contextlib.asynccontextmanager
async def on_a_small_disk(folder: Path, bus: FakeBus) -> AsyncGenerator[tuple[Street, SmallDisk]]:
    if not may_mount(folder):
        pytest.skip("this user may make no name space with a disk of its own (unshare)")
    async with street(folder, bus) as town:
        gateway = SmallDisk(folder, town.buses, town.broker.port)
        town.gateway = gateway
        # Filled to the last byte, not to a share that stays free.
        gateway.write_config(buffer="keep_free_bytes = 0")
        yield town, gateway


async def test_on_a_disk_that_fills_lampposts_keep_their_records_until_there_is_room(
    tmp_path: Path,
) -> None:
    bus = FakeBus([FakeNode(1), FakeNode(2)])
    node = bus.nodes[1]
    async with on_a_small_disk(tmp_path, bus) as (town, gateway):
        node.append(100)
        await gateway.start()
        await eventually(lambda: town.city.has_all_of(bus), "first records")
        await gateway.fill()
        for one in bus.nodes.values():
            one.append(600)
        await eventually(lambda: gateway.said("cannot commit"), "said that nothing is stored")
        polls, left = node.polls, len(node.log)
        await eventually(lambda: node.polls > polls + 3, "still asked")
        assert left == len(node.log) > 0
        await gateway.clear()
        await eventually(lambda: town.city.has_all_of(bus), "goes on by itself")
        assert town.city.conflicts == []
        assert await gateway.stop() == 0


@pytest.mark.soak
async def test_a_disk_that_takes_no_write_is_told_and_gone_on_from(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    async with street(tmp_path, bus) as town:
        gateway = town.gateway
        gateway.log.touch()
        await gateway.start()
        node.append(100)
        await eventually(lambda: town.city.has_all_of(bus), "first records")
        no_write(gateway.pid, most=0)
        node.append(500)
        polls = node.polls
        await eventually(lambda: node.polls > polls + 5, "still asked")
        assert node.log, "it keeps them"
        no_write(gateway.pid, most=resource.RLIM_INFINITY)
        await eventually(lambda: town.city.has_all_of(bus), "goes on by itself")
        assert town.city.conflicts == []
        assert await gateway.stop() == 0


def no_write(process: int, most: int) -> None:
    """Have files of `process` grow to `most` bytes, as on a card that is worn out."""
    hard = resource.prlimit(process, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(process, resource.RLIMIT_FSIZE, (most, hard))


@pytest.mark.soak
async def test_without_room_to_salvage_into_it_waits_and_the_city_reads_why(
    tmp_path: Path,
) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    async with on_a_small_disk(tmp_path, bus) as (town, gateway):
        # A damaged database that leaves no room for another beside it.
        path = tmp_path / "damaged.db"
        damaged(path)
        gateway.program = ["tests.integration.gateway.laid_out", str(path)]
        node.append(100)
        await gateway.start()
        await eventually(lambda: town.city.status.get("alarms"), "told")
        (alarm,) = town.city.status["alarms"]
        assert alarm["name"] == "database_unavailable"
        assert alarm["severity"] == "critical"
        assert f"{gateway.data}" in alarm["text"]
        assert "There are 0 MB free: make room" in alarm["text"]
        assert len(node.log) == 100
        await gateway.clear()
        await eventually(lambda: town.city.has_all_of(bus), "starts by itself")
        await eventually(
            lambda: [one["name"] for one in town.city.status["alarms"]] == ["database_damaged"],
            "and says what was wrong",
        )
        assert await gateway.stop() == 0


def damaged(path: Path) -> None:
    from gateway.buffer.database import open_checked
    from gateway.logs import get

    with contextlib.closing(open_checked(path, get()).conn) as connection:
        rows = [(bytes(6), 1, seq, bytes(200), 0) for seq in range(6000)]
        insert = "INSERT INTO record (node, epoch, seq, body, received) VALUES (?, ?, ?, ?, ?)"
        connection.execute("BEGIN")
        connection.executemany(insert, rows)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(content)

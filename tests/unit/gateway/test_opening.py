"""A database that the disk has no room for is waited for; what waiting cannot mend is told."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway import logs, opening
from gateway.buffer import database as db
from gateway.buffer.database import Database
from gateway.config import Configuration
from gateway.errors import DataFolderInUse
from gateway.notify import Notifier
from tests.integration.gateway.harness import eventually, free_port
from tests.unit.gateway.test_notify import Systemd


class Disk:
    """Of the opening: what it has free, how often it was tried, and with what end."""

    def __init__(self) -> None:
        self.room = opening._Room(0, read_only=False)  # pyright: ignore[reportPrivateUsage]
        self.errors: list[OSError] = []
        self.attempts = 0
        self.looks = 0

    def look(self, folder: Path) -> object:
        self.looks += 1
        return self.room

    def open(self, path: Path, log: logs.Logger) -> Database:
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        return db.open_checked(path, log)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(opening, "_LOOK_S", 0)
    monkeypatch.setattr(opening, "_room", made.look)
    monkeypatch.setattr(opening, "open_checked", made.open)
    return made


def configuration(folder: Path) -> Configuration:
    return Configuration.model_validate(
        {
            "gateway": {"id": "cabinet-1", "data_dir": str(folder)},
            "mqtt": {"host": "127.0.0.1", "port": free_port()},
        }
    )


def full() -> OSError:
    cause = sqlite3.OperationalError("database or disk is full")
    cause.sqlite_errorcode = sqlite3.SQLITE_FULL
    error = OSError("gateway.db: database or disk is full")
    error.__cause__ = cause
    return error


async def start(folder: Path, notifier: Notifier) -> int:
    async with opening.opened(configuration(folder), "0", notifier, logs.get()) as database:
        at = db.version(database)
        database.conn.close()
        return at


async def test_a_disk_without_room_is_waited_for_and_tried_again_when_there_is_more(
    tmp_path: Path, disk: Disk
) -> None:
    listening = Systemd(str(tmp_path / "notify"))
    notifier = Notifier(logs.get(), {"NOTIFY_SOCKET": str(tmp_path / "notify")})
    disk.errors = [full(), full()]
    with capture_logs() as lines:
        starting = asyncio.create_task(start(tmp_path / "data", notifier))
        for attempt in (1, 2):
            looks = disk.looks
            await eventually(lambda looks=looks: disk.looks > looks + 50)
            assert disk.attempts == attempt, "not tried while nothing has changed"
            disk.room = disk.room._replace(free=disk.room.free + 2_000_000)
            await eventually(lambda attempt=attempt: disk.attempts > attempt)
        assert await asyncio.wait_for(starting, 60) > 0
    said = listening.all_heard()
    listening.close()
    assert said[0].startswith("STATUS=waiting for the disk: ")
    assert "database or disk is full. There are 0 MB free: make room" in said[0]
    assert said[1].startswith("EXTEND_TIMEOUT_USEC=1")
    assert not any("READY" in word for word in said)
    levels = [
        (line["log_level"], line["event"]) for line in lines if "cannot be opened" in line["event"]
    ]
    # How much is free is another reason: it is told again.
    assert [level for level, _ in levels] == ["warning", "warning", "info"]
    assert [line["log_level"] for line in lines if line["event"] == "alarm"] == ["error"]


async def test_a_disk_mounted_anew_is_tried_at_once(tmp_path: Path, disk: Disk) -> None:
    disk.room = disk.room._replace(read_only=True)
    disk.errors = [OSError(errno.EROFS, "Read-only file system")]
    starting = asyncio.create_task(start(tmp_path, Notifier(logs.get(), {})))
    await eventually(lambda: disk.looks > 10)
    disk.room = disk.room._replace(read_only=False)
    assert await asyncio.wait_for(starting, 60) > 0
    assert disk.attempts == 2


async def test_a_disk_that_fails_without_a_visible_reason_is_tried_ever_less_often(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def worth(folder: Path, most_s: float) -> None:
        waits.append(most_s)

    monkeypatch.setattr(opening, "_worth_an_attempt", worth)
    disk.errors = [OSError(errno.EIO, "Input/output error") for _ in range(9)]
    await start(tmp_path, Notifier(logs.get(), {}))
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]


async def test_what_waiting_does_not_mend_ends_at_once(tmp_path: Path, disk: Disk) -> None:
    disk.errors = [PermissionError(errno.EACCES, "Permission denied")]
    with pytest.raises(PermissionError):
        await start(tmp_path, Notifier(logs.get(), {}))
    assert disk.attempts == 1


async def test_the_folder_is_let_go_of_between_attempts_and_held_while_open(
    tmp_path: Path, disk: Disk
) -> None:
    nobody = Notifier(logs.get(), {})
    async with opening.opened(configuration(tmp_path), "0", nobody, logs.get()) as database:
        with pytest.raises(DataFolderInUse):
            await start(tmp_path, nobody)
        database.conn.close()
    assert await start(tmp_path, nobody) > 0

"""The data folder held and its database opened, however long the disk takes to be usable.

Where there is no room to salvage a damaged database into, or the disk has become read-only, ending
would only have systemd start the gateway again every few seconds. It waits instead: not ready, with
its reason in `systemctl status`, in the log and in the city's status document. Lampposts follow
their programmes and keep their records meanwhile; to talk to them needs the database, which holds
the counters of their sealed messages.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from gateway import data_dir
from gateway.alarms import Alarms
from gateway.buffer.database import open_checked
from gateway.buffer.schema import Database, code
from gateway.config import Configuration
from gateway.logs import Logger, Trouble
from gateway.notify import Notifier
from gateway.uplink.distress import Distress

ALARM = "database_unavailable"
# Longer than any salvage on a memory card; systemd is told anew before each attempt.
_ATTEMPT_S: Final = 1800.0
_LOOK_S: Final = 2.0
# An attempt may write as much as there is room for: it is made when there is more of that, and
# without a visible reason ever less often.
_MORE_ROOM: Final = 1_000_000
_ANYWAY_FIRST_S: Final = 5.0
_ANYWAY_MOST_S: Final = 300.0
_DISK_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
_DISK_CODES: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


class _Room(NamedTuple):
    free: int  # bytes
    read_only: bool


@asynccontextmanager
async def opened(
    configuration: Configuration, version: str, notifier: Notifier, log: Logger
) -> AsyncGenerator[Database]:
    """Hold the data folder, and give its database, which the caller closes.

    Waits for a disk that is full, read-only or does not answer. Raises OSError and GatewayError for
    anything else, which waiting would not mend.
    """
    folder = configuration.gateway.data_dir
    with ExitStack() as holding:
        try:
            database = _attempt(configuration, holding, log)
        except OSError as error:
            if not is_the_disk(error, folder):
                raise
            database = await _patiently(configuration, version, holding, notifier, error, log)
        yield database


def _attempt(configuration: Configuration, holding: ExitStack, log: Logger) -> Database:
    folder = configuration.gateway.data_dir
    with ExitStack() as this_time:
        this_time.enter_context(data_dir.held(folder, configuration.gateway.id))
        database = open_checked(folder / data_dir.DATABASE, log)
        holding.push(this_time.pop_all())
    return database


async def _patiently(
    configuration: Configuration,
    version: str,
    holding: ExitStack,
    notifier: Notifier,
    error: OSError,
    log: Logger,
) -> Database:
    clock = configuration.clock.make()
    alarms = Alarms(clock, log)
    trouble = Trouble(log, "the database cannot be opened: waiting for the disk")
    distress = Distress(configuration.gateway.id, version, configuration.mqtt, alarms, clock, log)
    telling = asyncio.create_task(distress.run())
    folder = configuration.gateway.data_dir
    anyway_s = _ANYWAY_FIRST_S
    try:
        while True:
            why = _told(error, folder)
            trouble.failed(why=why)
            alarms.set(ALARM, f"{why}; lampposts keep their records meanwhile", "critical")
            notifier.starting(f"waiting for the disk: {why}", _ATTEMPT_S + anyway_s)
            await _worth_an_attempt(folder, anyway_s)
            anyway_s = min(2 * anyway_s, _ANYWAY_MOST_S)
            try:
                database = _attempt(configuration, holding, log)
            except OSError as again:
                if not is_the_disk(again, folder):
                    raise
                error = again
            else:
                trouble.over()
                return database
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _worth_an_attempt(folder: Path, most_s: float) -> None:
    """Until there is more room, or the disk is mounted otherwise; at most `most_s`."""
    loop = asyncio.get_running_loop()
    found, until = _room(folder), loop.time() + most_s
    while loop.time() < until:
        await asyncio.sleep(_LOOK_S)
        now = _room(folder)
        if now.read_only != found.read_only or now.free >= found.free + _MORE_ROOM:
            return
        # What others take meanwhile, and give back, is room as well.
        found = _Room(min(found.free, now.free), now.read_only)


def is_the_disk(error: OSError, folder: Path) -> bool:
    """Whether the disk that `folder` is on is full, read-only or failing."""
    if error.errno in _DISK_ERRORS or (
        error.__cause__ is not None and code(error.__cause__) in _DISK_CODES
    ):
        return True
    return _room(folder).read_only


def _told(error: OSError, folder: Path) -> str:
    """What is wrong, where, and what to do."""
    where = "" if str(folder) in str(error) else f"{folder}: "
    room = _room(folder)
    if room.read_only:
        return f"{where}{error}. Look at the disk, then mount it for writing"
    return (
        f"{where}{error}. There are {room.free / 1e6:.0f} MB free: make room, or look at the disk"
    )


def _room(folder: Path) -> _Room:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        found = os.statvfs(there)
    except OSError:
        return _Room(0, read_only=False)
    return _Room(found.f_bavail * found.f_frsize, bool(found.f_flag & os.ST_RDONLY))

"""Sweeps the buffer, and says to the outside what a person has to see to."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from gateway.alarms import Alarms
from gateway.buffer.database import set_aside
from gateway.buffer.records import Dropped, Records
from gateway.errors import BufferUnavailable
from gateway.logs import Logger

SWEEP_S = 30.0
DAY_S = 86_400
# How long it is said that records were dropped, after the last of them.
_DROPS_TOLD_S = DAY_S


class Housekeeping:
    """Keeps the buffer within its bounds in age and free disk, every half minute.

    Alarms: ``database_damaged`` while a damaged database lies beside the one in use,
    ``database_unwritable`` while nothing can be committed, ``disk_short`` and ``buffer_full`` while
    lampposts are not read for want of room, ``records_dropped`` for a day after any were.
    """

    def __init__(
        self, records: Records, path: Path, max_age_days: float, alarms: Alarms, log: Logger
    ) -> None:
        self._records = records
        self._path = path
        self._max_age_s = max_age_days * DAY_S
        self._alarms = alarms
        self._log = log
        self._dropped = Dropped()
        self._dropped_at = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(SWEEP_S)
            await self.sweep()

    async def sweep(self) -> None:
        """Sweep once; a database that cannot commit is an alarm, not an error."""
        try:
            dropped = await self._records.sweep(self._max_age_s)
        except BufferUnavailable as error:
            self._alarms.set(
                "database_unwritable",
                f"{error}; nothing is read from lampposts. Make room, or look at the disk",
                "critical",
            )
            return
        self._alarms.over("database_unwritable")
        if dropped:
            self._dropped = self._dropped.plus(dropped)
            self._dropped_at = time.monotonic()
            self._log.error(
                "records dropped",
                too_old=dropped.age,
                for_room_on_the_disk=dropped.disk,
                of_these_events=dropped.events,
            )

    def look(self) -> None:
        """Raise and end the alarms, by what is there now."""
        self._look_for_damage()
        self._look_for_room()
        if not self._dropped:
            return
        if time.monotonic() - self._dropped_at > _DROPS_TOLD_S:
            self._dropped = Dropped()
            self._alarms.over("records_dropped")
            return
        self._alarms.set(
            "records_dropped",
            f"{self._dropped.age} records dropped as too old, {self._dropped.disk} for want of "
            f"room on the disk; {self._dropped.events} of them were events. Bring the broker back, "
            "or make room",
            "critical",
        )

    def _look_for_damage(self) -> None:
        try:
            aside = set_aside(self._path)
        except OSError as error:
            self._log.debug("the data folder cannot be looked at", why=str(error))
            return
        if not aside:
            self._alarms.over("database_damaged")
            return
        self._alarms.set(
            "database_damaged",
            f"the database was damaged and has been replaced, {len(aside)} time(s); what could be "
            f"read goes on. Look at the disk, then remove {aside[-1].parent}/*.damaged-*",
            "critical",
        )

    def _look_for_room(self) -> None:
        why = self._records.why_full
        disk = self._records.disk
        if why == "free disk":
            self._alarms.set(
                "disk_short",
                f"less than {disk.keep_free / 1e6:.0f} MB free: lampposts are not read, they keep "
                "their records. Make room",
                "critical" if disk.lacking else "warning",
            )
        else:
            self._alarms.over("disk_short")
        if why == "max_bytes":
            self._alarms.set(
                "buffer_full",
                "the bound max_bytes is reached: lampposts are not read, they keep their records. "
                "Bring the broker and an ingest back, and look at the rejected records",
            )
        else:
            self._alarms.over("buffer_full")

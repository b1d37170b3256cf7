"""Whether the gateway makes progress, and systemd's watchdog, which is fed only while it does.

A loop that runs proves little: a poller may wait for what never comes, and the thread that commits
may hang in the disk. Each part therefore says by when it will next have got somewhere; a part that
is late by more than its patience has the watchdog starve, and systemd starts the service again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

from gateway.errors import GatewayError
from gateway.logs import Logger, Trouble
from gateway.notify import Notifier

# A poll of a silent lamppost, an exchange that makes one work, a turn that others had first: all
# together far below this.
PATIENCE_S = 120.0
# A commit on a worn memory card has been seen to take seconds, never this long.
STORAGE_PATIENCE_S = 60.0
# Fed this many times in the time after which systemd acts (sd_watchdog_enabled(3): at least two).
_FEEDS = 4
_LOOK_S = 15.0


class Progress:
    """What one part has promised. Looked at in the event loop's thread.

    name: of the part, for the log; patience_s: how late it may be (machine time).
    """

    def __init__(
        self,
        name: str,
        patience_s: float = PATIENCE_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._patience = patience_s
        self._now = now
        self._until = now() + patience_s

    def made(self, rests_s: float = 0.0) -> None:
        """It got somewhere, and may rest for `rests_s` before it does so again."""
        self._until = self._now() + rests_s + self._patience

    @property
    def late_s(self) -> float:
        """Seconds beyond its patience; 0 while it is in time."""
        return max(0.0, self._now() - self._until)


class Vitals:
    """Looks after the parts, and feeds the watchdog while all of them are in time.

    storage: does a harmless piece of work in the thread that commits. It failing is an answer too:
    a full disk is no reason to start again.
    """

    def __init__(
        self,
        notifier: Notifier,
        storage: Callable[[], Awaitable[object]],
        log: Logger,
        storage_patience_s: float = STORAGE_PATIENCE_S,
    ) -> None:
        self._notifier = notifier
        self._storage = storage
        self._log = log
        self._stuck = Trouble(log, "no progress: the watchdog is no longer fed")
        self._written = Progress("storage", storage_patience_s)
        self._parts: dict[str, Progress] = {}

    def part(self, name: str, patience_s: float = PATIENCE_S) -> Progress:
        """Look after a part `name` as well, until `gone`; gives what it reports its progress to."""
        self._parts[name] = progress = Progress(name, patience_s)
        return progress

    def gone(self, name: str) -> None:
        """The part `name` has ended, as it should."""
        self._parts.pop(name, None)

    @property
    def late(self) -> list[str]:
        """Names of the parts that are late."""
        everyone: Iterable[Progress] = (self._written, *self._parts.values())
        return [part.name for part in everyone if part.late_s > 0]

    async def run(self) -> None:
        """Until cancelled."""
        every_s = _LOOK_S
        if self._notifier.watchdog_s is not None:
            every_s = min(every_s, self._notifier.watchdog_s / _FEEDS)
        storage = asyncio.create_task(self._try_storage(every_s))
        try:
            while True:
                self.look()
                await asyncio.sleep(every_s)
        finally:
            storage.cancel()
            await asyncio.gather(storage, return_exceptions=True)

    def look(self) -> None:
        """Feed the watchdog, unless a part is late."""
        late = self.late
        if late:
            self._stuck.failed(parts=",".join(late))
            self._notifier.status(f"no progress: {', '.join(late)}")
            return
        self._stuck.over()
        self._notifier.alive()

    async def _try_storage(self, every_s: float) -> None:
        while True:
            try:
                await self._storage()
            except GatewayError as error:
                self._log.debug("storage answers with a failure", error=str(error))
            self._written.made(rests_s=every_s)
            await asyncio.sleep(every_s)

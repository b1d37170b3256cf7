"""The configuration read anew while the gateway runs (SIGHUP), all of it or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.alarms import Alarms
from gateway.config import Configuration, load
from gateway.errors import ConfigurationError
from gateway.logs import Logger
from gateway.notify import Notifier
from gateway.reload import Difference, difference

_REFUSED = "configuration_refused"
# Takes over what has changed; gives the keys among it that take effect only at the next start.
Apply = Callable[[Difference, Configuration], Awaitable[list[str]]]


class Reloads:
    """Reads `path` again whenever `asked` is set, and has `apply` take over what has changed.

    A file that cannot be used changes nothing, and is an alarm until one can.

    Attributes:
        configuration: the one in force.
        asked: set it to have the file read.
        done: how often a new one was taken over.
    """

    def __init__(
        self,
        path: Path,
        configuration: Configuration,
        apply: Apply,
        notifier: Notifier,
        status: Callable[[], str],
        alarms: Alarms,
        log: Logger,
    ) -> None:
        self._path = path
        self.configuration = configuration
        self._apply = apply
        self._notifier = notifier
        self._status = status
        self._alarms = alarms
        self._log = log
        self.asked = asyncio.Event()
        self.done = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.asked.wait()
            self.asked.clear()
            self._notifier.reloading()
            try:
                await self._read()
            finally:
                # systemd waits for this, and holds a service that does not say it for hanging.
                self._notifier.ready(self._status())

    async def _read(self) -> None:
        try:
            fresh, warnings = await asyncio.to_thread(load, self._path)
        except ConfigurationError as error:
            lines = str(error).splitlines()
            for line in lines:
                self._log.error("configuration not taken over", why=line)
            more = f" (and {len(lines) - 1} more, in the log)" if len(lines) > 1 else ""
            self._alarms.set(_REFUSED, f"the old configuration stays: {lines[0]}{more}")
            return
        self._alarms.over(_REFUSED)
        for warning in warnings:
            self._log.warning("configuration", why=warning)
        changes = difference(self.configuration, fresh)
        if not changes:
            self._log.info("configuration read, nothing has changed")
            return
        later = await self._apply(changes, fresh)
        self.configuration = fresh
        self.done += 1
        for line in changes.lines():
            self._log.info("configuration changed", what=line)
        if later:
            self._log.warning("takes effect at the next start", keys=", ".join(later))

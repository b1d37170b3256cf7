"""Which ingests there are: only to them are readings ever given up.

Whoever subscribes to the records gets them, a person looking on too; only an ingest stores them.
Each announces itself, retained, with a message expiry as long as its session lasts at the broker.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from gateway.documents import json_object
from gateway.logs import Logger, Trouble

_LONGEST = 4096
# Far more than any city runs; a bound, so that nobody can fill the memory.
_MOST = 1000


class Presence:
    """The ingests that have announced themselves and have not expired.

    `machine_time` gives seconds that only ever grow, whatever the wall clock does.
    """

    def __init__(self, log: Logger, machine_time: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._none = Trouble(
            log, 'not an announcement of an ingest: expected {"ingest": its name, "since": Unix s}'
        )
        self._crowd = Trouble(log, "too many ingests; one is ignored")
        self._now = machine_time
        self._deadlines: dict[str, float] = {}
        self._announced = asyncio.Event()

    @property
    def known(self) -> bool:
        """Whether at least one ingest is there."""
        now = self._now()
        for name in [name for name, deadline in self._deadlines.items() if deadline <= now]:
            del self._deadlines[name]
            self._log.info("ingest expired", ingest=name)
        return bool(self._deadlines)

    async def wait(self) -> None:
        """Until at least one ingest is there."""
        while not self.known:
            self._announced.clear()
            await self._announced.wait()

    def forget(self) -> None:
        """On a new connection the broker says again who is there; one may have gone meanwhile."""
        self._deadlines.clear()

    def received(self, name: str, payload: bytes, expiry: int | None) -> None:
        """Take the announcement of the ingest `name`, good for `expiry` s (None: for ever).

        An empty payload is its removal. What is no announcement is logged and changes nothing.
        """
        if not payload:
            if self._deadlines.pop(name, None) is not None:
                self._log.info("ingest gone", ingest=name)
            return
        if not _announces(name, payload):
            self._none.failed(ingest=name[:200])
            return
        if name not in self._deadlines:
            if len(self._deadlines) >= _MOST:
                self._crowd.failed(ingest=name[:200], most=_MOST)
                return
            self._log.info("ingest present", ingest=name[:200])
        self._deadlines[name] = math.inf if expiry is None else self._now() + expiry
        self._announced.set()


def _announces(name: str, payload: bytes) -> bool:
    try:
        said = json_object(payload, _LONGEST)
    except ValueError:
        return False
    since = said.get("since")
    return said.get("ingest") == name and isinstance(since, int) and not isinstance(since, bool)

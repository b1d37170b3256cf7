"""The ingest service: receive, commit, acknowledge; over and over, whatever breaks.

A message is acknowledged only when the transaction with its records is on disk. Killed in between,
the broker sends it again, and the store knows each record by its key: nothing lost, nothing twice.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

import structlog
from aiomqtt import Message, MqttError

from fleet_cli.broker.connection import unreachable
from fleet_cli.broker.retained import as_bytes
from fleet_cli.errors import FleetError, Unreachable
from fleet_cli.ingest.payloads import Batch
from fleet_cli.ingest.subscription import Subscription
from fleet_cli.settings import BrokerSettings
from fleet_cli.store import Counts, Store

_log = structlog.get_logger("ingest")

_POLL_S: Final = 0.5
_ANNOUNCE_EVERY_S: Final = 3600.0
_BACKOFF_FIRST_S: Final = 0.5
_BACKOFF_LAST_S: Final = 30.0


class Ingest:
    """Feeds one store from one broker until told to stop.

    Attributes:
        counts: what became of everything so far.
    """

    def __init__(
        self,
        broker: BrokerSettings,
        store: Store,
        *,
        name: str,
        shared: bool = False,
        report_every_s: float = 60.0,
        announce_every_s: float = _ANNOUNCE_EVERY_S,
        on_progress: Callable[[Counts], None] | None = None,
    ) -> None:
        self._broker = broker
        self._store = store
        self._name = name
        self._shared = shared
        self._report_every_s = report_every_s
        self._announce_every_s = announce_every_s
        self._on_progress = on_progress
        self._stop = asyncio.Event()
        self._backoff_s = _BACKOFF_FIRST_S
        self.counts = Counts()

    def stop(self) -> None:
        """Finish the batch in hand, then return from `run`."""
        self._stop.set()

    async def run(self, *, idle_end_s: float | None = None) -> Counts:
        """Work until stopped.

        Args:
            idle_end_s: return once nothing has come for so long, s, and do not wait for a broker
                or store that cannot be reached; None: stay, and try again.

        Raises:
            Unreachable: with `idle_end_s` only.
        """
        reporting = asyncio.create_task(self._report_periodically())
        try:
            while not self._stop.is_set():
                try:
                    await self._session(idle_end_s)
                    break
                except MqttError as error:
                    failure = unreachable(self._broker, error)
                    if idle_end_s is not None:
                        raise failure from error
                    await self._wait_after(failure)
        finally:
            reporting.cancel()
            self._report("ingest ends")
        return self.counts

    async def _session(self, idle_end_s: float | None) -> None:
        idle_since = time.monotonic()
        async with Subscription(self._broker, self._name, shared=self._shared) as subscription:
            _log.info("connected", broker=self._broker.host, name=self._name)
            # Beside the work: a store that is away for days must not let our presence expire.
            announcing = asyncio.create_task(self._announce_periodically(subscription))
            try:
                while not self._stop.is_set():
                    messages = await subscription.next_batch(_POLL_S)
                    if messages:
                        if not await self._commit(messages, give_up=idle_end_s is not None):
                            return
                        subscription.acknowledge(messages)
                        self._backoff_s = _BACKOFF_FIRST_S
                        idle_since = time.monotonic()
                    elif idle_end_s is not None and time.monotonic() - idle_since >= idle_end_s:
                        return
            finally:
                announcing.cancel()
                await asyncio.gather(announcing, return_exceptions=True)

    async def _announce_periodically(self, subscription: Subscription) -> None:
        while True:
            await asyncio.sleep(self._announce_every_s)
            try:
                await subscription.announce()
            except MqttError as error:
                # A lost connection is seen by who reads it, and announced anew with the next one.
                _log.warning("presence not renewed", reason=str(error))

    async def _commit(self, messages: Sequence[Message], *, give_up: bool) -> bool:
        """Write one batch; False when stopped before the store would have it."""
        batch = Batch()
        received = int(time.time())
        for message in messages:
            batch.add(str(message.topic), as_bytes(message), received)
        while True:
            try:
                # The disk is waited for in a thread: the connection is kept alive meanwhile.
                counts = await asyncio.to_thread(
                    self._store.write, batch.records, batch.rejected, batch.lampposts
                )
            except Unreachable as error:
                self.counts.retries += 1
                if give_up:
                    raise
                await self._wait_after(error)
                if self._stop.is_set():
                    return False
                continue
            counts.messages = batch.messages
            self.counts.add(counts)
            for row in batch.rejected:
                _log.debug("rejected", topic=row.topic, reason=row.reason, size=row.size)
            if counts.conflicts:
                _log.warning("conflicting records set aside", conflicts=counts.conflicts)
            if self._on_progress:
                self._on_progress(self.counts)
            return True

    async def _wait_after(self, error: FleetError) -> None:
        # Full jitter: many ingests must not come back to a broker at the same moment.
        delay = random.uniform(0, self._backoff_s)  # noqa: S311 - not a secret
        first = self._backoff_s == _BACKOFF_FIRST_S
        (_log.warning if first else _log.debug)(str(error), retry_in_s=round(delay, 1))
        self._backoff_s = min(2 * self._backoff_s, _BACKOFF_LAST_S)
        try:
            async with asyncio.timeout(delay):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _report_periodically(self) -> None:
        while True:
            await asyncio.sleep(self._report_every_s)
            self._report("counts")

    def _report(self, event: str) -> None:
        _log.info(event, **asdict(self.counts))

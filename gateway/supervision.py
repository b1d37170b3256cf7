"""What looks after the gateway itself: systemd, metrics and health, certificates, alarms told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from gateway.alarms import Alarms
from gateway.cabinet import certificates, local_broker
from gateway.cabinet.certificate_watch import CertificateWatch
from gateway.clock import StreetClock
from gateway.config import Configuration
from gateway.config.metrics import Address
from gateway.logs import Logger
from gateway.metrics.endpoint import Endpoint, EndpointUnavailable
from gateway.metrics.sources import BusFigures, Sources
from gateway.notify import Notifier
from gateway.vitals import Vitals

_STATUS_EVERY_S = 60.0
_LISTEN_AGAIN_S = 60.0
_UNSERVED = "metrics_unavailable"


class CountedPort(Protocol):
    """A serial port, as far as its figures go."""

    opened: asyncio.Event
    reopened: int

    @property
    def deframer(self) -> CountedFrames:
        """What cuts its bytes into frames; another one after each opening."""
        ...


class CountedFrames(Protocol):
    """Frames, counted."""

    @property
    def rejected(self) -> int:
        """Frames refused."""
        ...


class CountedLine(Protocol):
    """A line, as far as its figures go."""

    requests: int
    timeouts: int
    unexpected: int


def bus_figures(port: CountedPort, line: CountedLine) -> BusFigures:
    """The figures of one bus."""
    return BusFigures(
        open=port.opened.is_set(),
        requests=line.requests,
        timeouts=line.timeouts,
        unexpected=line.unexpected,
        rejected=port.deframer.rejected,
        reopened=port.reopened,
    )


class Supervision:
    """Runs beside the parts that `sources` are taken from.

    configuration: asked anew each time, so that a reload may have changed it.

    Attributes:
        notifier: for what only the owner knows: reloading, stopping.
        vitals: gives each part what it reports its progress to.
        certificates: the watch over them.
    """

    def __init__(
        self,
        configuration: Callable[[], Configuration],
        sources: Sources,
        alarms: Alarms,
        clock: StreetClock,
        log: Logger,
    ) -> None:
        self._configuration = configuration
        self._sources = sources
        self._alarms = alarms
        self._clock = clock
        self._log = log
        self.notifier = Notifier(log)
        self.vitals = Vitals(self.notifier, sources.buffer.counters, log)
        self.certificates = CertificateWatch(self._files, alarms, clock)
        sources.certificates = self.certificates
        sources.late = self._late

    async def run(self) -> None:
        """Say that the gateway is ready, and look after it until cancelled."""
        endpoint = Endpoint(self._sources, self._clock, self._log)
        metrics = self._configuration().metrics
        # Before it is said to be ready: whoever waited for that may ask at once.
        served = metrics.enabled and self._listen(endpoint, metrics.address)
        self.notifier.ready(self.status())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.vitals.run())
                group.create_task(self.certificates.run())
                group.create_task(self._tell_status())
                if metrics.enabled and not served:
                    group.create_task(self._listen_again(endpoint, metrics.address))
        finally:
            self.notifier.stopping()
            await endpoint.close()

    async def publish_alarms(self, status: Callable[[], Awaitable[None]]) -> None:
        """Have `status` tell the city of alarms whenever they change; for `Link.publishers`."""
        await self._alarms.publish(status)

    def status(self) -> str:
        """A line for `systemctl status`."""
        posts = self._sources.lampposts()
        silent = sum(post.link != "up" for post in posts)
        broker = "connected" if self._sources.uplink.connected else "away"
        return (
            f"{len(posts)} lampposts, {silent} silent; broker {broker}; "
            f"{self._sources.buffer.rows} records kept; {len(self._alarms.raised)} alarms"
        )

    async def _tell_status(self) -> None:
        while True:
            await asyncio.sleep(_STATUS_EVERY_S)
            # What is stuck has been said, and stays.
            if not self.vitals.late:
                self.notifier.status(self.status())

    async def _listen_again(self, endpoint: Endpoint, address: Address) -> None:
        while True:
            await asyncio.sleep(_LISTEN_AGAIN_S)
            if self._listen(endpoint, address):
                return

    def _listen(self, endpoint: Endpoint, address: Address) -> bool:
        try:
            endpoint.start(address)
        except EndpointUnavailable as error:
            # Readings do not wait for somebody who could look at figures.
            self._alarms.set(_UNSERVED, str(error))
            return False
        self._alarms.over(_UNSERVED)
        return True

    def _files(self) -> Sequence[certificates.CertificateFile]:
        configuration = self._configuration()
        files = certificates.configured(configuration)
        if configuration.lan is not None and configuration.lan.enabled:
            folder = configuration.gateway.data_dir
            files += local_broker.certificate_files(configuration.lan, folder)
        return files

    def _late(self) -> Sequence[str]:
        return self.vitals.late

"""The city is told why a gateway cannot start: its status and alarms, and nothing else."""

from __future__ import annotations

import asyncio

import aiomqtt

from gateway.alarms import Alarms
from gateway.backoff import FullJitter
from gateway.clock import StreetClock
from gateway.config import MqttSection
from gateway.logs import Logger, Trouble
from gateway.uplink.client import VerdictClient
from gateway.uplink.connecting import (
    document_properties,
    make_client,
    status_document,
    status_will,
)
from gateway.uplink.topics import Topics
from gateway.waiting import go_on

_RECONNECT_FIRST_S = 1.0
_RECONNECT_MOST_S = 120.0


class Distress:
    """Keeps the status document of the gateway `gateway` up to date with `alarms`.

    It goes by an identifier of its own: the gateway's session, with the commands that wait in it,
    is left for when it has started.
    """

    def __init__(
        self,
        gateway: str,
        version: str,
        settings: MqttSection,
        alarms: Alarms,
        clock: StreetClock,
        log: Logger,
    ) -> None:
        self._gateway = gateway
        self._version = version
        self._settings = settings
        self._alarms = alarms
        self._clock = clock
        self._trouble = Trouble(log, "the city cannot be told that the gateway cannot start")
        self._topic = Topics(gateway).status

    async def run(self) -> None:
        """Until cancelled."""
        backoff = FullJitter(_RECONNECT_FIRST_S, _RECONNECT_MOST_S)
        while True:
            try:
                await self._tell()
            except* (aiomqtt.MqttError, OSError, ValueError) as failures:
                self._trouble.failed(why=str(failures.exceptions[0]))
            go_on()
            await asyncio.sleep(backoff.next_delay())

    async def _tell(self) -> None:
        will = status_will(self._topic, self._status("offline", self._clock.now()))
        identifier = f"lamplighter-{self._gateway}-waiting"
        async with make_client(
            self._settings, identifier, will, keeps_session=False
        ) as client, asyncio.TaskGroup() as group:  # fmt: skip
            group.create_task(_until_it_ends(client))
            since = self._clock.now()
            self._alarms.changed.set()

            async def status() -> None:
                document = self._status("online", since)
                await client.publish(
                    self._topic, document, qos=1, retain=True, properties=document_properties()
                )
                self._trouble.over()

            await self._alarms.publish(status)

    def _status(self, state: str, since: int) -> bytes:
        alarms = self._alarms.documents()
        return status_document(self._gateway, self._version, state, since, alarms)


async def _until_it_ends(client: VerdictClient) -> None:
    async for _ in client.messages:
        pass  # nothing was subscribed to

"""Looking on: what the gateways report through the broker, followed as it comes."""

import asyncio

from aiomqtt import MqttError

from fleet_cli import topics
from fleet_cli.broker.connection import new_client
from fleet_cli.broker.retained import as_bytes
from fleet_cli.fleet import Fleet
from fleet_cli.fleet.messages import Reported
from fleet_cli.settings import BrokerSettings

_RETRY_SECONDS = 0.5


class Watch:
    """The fleet as the broker tells it to anyone who subscribes.

    Attributes:
        fleet: as last told; what is in it stays when the broker is away.
        connected: whether the broker is there now.
    """

    def __init__(self, broker: BrokerSettings) -> None:
        self.fleet = Fleet()
        self.connected = False
        self._broker = broker

    async def run(self) -> None:
        """Follow until cancelled, through any absence of the broker."""
        while True:
            try:
                await self._follow()
            except MqttError:
                # The broker is away; its own step of the script says so, and tells when it is back.
                self.connected = False
            await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self) -> None:
        async with new_client(self._broker, identifier=None, session_expiry_s=0) as client:
            for topic in (topics.GATEWAY_STATUS, topics.REPORTED):
                await client.subscribe(topic, qos=1)
            self.connected = True
            async for message in client.messages:
                self.fleet.absorb(str(message.topic), as_bytes(message))

    def reported(self, node: str) -> Reported | None:
        """What was last reported of a lamppost; None before the first report."""
        for post in self.fleet.lampposts.values():
            if post.node == node:
                return post.reported
        return None

    def link(self, node: str) -> str:
        """``up``, ``silent`` or ``unknown``."""
        for post in self.fleet.lampposts.values():
            if post.node == node:
                return post.link
        return "unknown"

    def gateway_online(self, gateway: str) -> bool:
        """Whether the gateway says it is there (its last will says the contrary)."""
        status = self.fleet.gateways.get(gateway)
        return status is not None and status.state == "online"

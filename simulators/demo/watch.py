"""Looking on: what the gateways report through the broker, followed as it comes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiomqtt import MqttError

from fleet_cli import topics
from fleet_cli.broker.connection import new_client
from fleet_cli.broker.retained import as_bytes
from fleet_cli.fleet import Fleet
from fleet_cli.fleet.messages import Reported
from fleet_cli.settings import BrokerSettings

_RETRY_SECONDS = 0.5


@dataclass
class RaisedAlarm:
    """An alarm of a gateway, as it stood in its status.

    Attributes:
        gateway: which gateway's.
        name: which alarm.
        subject: what it is about; may be empty.
        text: what was found and what to do.
        seen: street time at which it came, UTC epoch seconds.
        over: street time at which it was gone, None while it stands.
    """

    gateway: str
    name: str
    subject: str
    text: str
    seen: float
    over: float | None = None


class Watch:
    """The fleet as the broker tells it to anyone who subscribes.

    Args:
        broker: the city's.
        street_time: tells the street's time, UTC epoch seconds.

    Attributes:
        fleet: as last told; what is in it stays when the broker is away.
        connected: whether the broker is there now.
        alarms: all that gateways raised since the beginning, in the order they came.
        links: by node, (street time, link) each time its gateway reaches it by another one.
    """

    def __init__(self, broker: BrokerSettings, street_time: Callable[[], float]) -> None:
        self.fleet = Fleet()
        self.connected = False
        self.alarms: list[RaisedAlarm] = []
        self.links: dict[str, list[tuple[float, str]]] = {}
        self._broker = broker
        self._street_time = street_time

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
                self.absorb(str(message.topic), as_bytes(message))

    def absorb(self, topic: str, payload: bytes) -> None:
        """Take in one message."""
        post = self.fleet.absorb(topic, payload)
        if post is not None and post.reported is not None and (by := post.reported.link.by):
            seen = self.links.setdefault(post.node, [])
            if not seen or seen[-1][1] != by:
                seen.append((self._street_time(), by))
        if topics.split_gateway(topic):
            self._note_alarms()

    def _note_alarms(self) -> None:
        standing = {
            (raised.gateway, raised.name, raised.subject): raised
            for raised in self.alarms
            if raised.over is None
        }
        for gateway, status in self.fleet.gateways.items():
            # A gateway that is gone says nothing of its alarms, either way.
            if status.state != "online":
                standing = {key: one for key, one in standing.items() if key[0] != gateway}
                continue
            for alarm in status.alarms:
                known = standing.pop((gateway, alarm.name, alarm.subject), None)
                if known is None:
                    self.alarms.append(
                        RaisedAlarm(
                            gateway, alarm.name, alarm.subject, alarm.text, self._street_time()
                        )
                    )
        for raised in standing.values():
            raised.over = self._street_time()

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

    def reached_by(self, node: str) -> str:
        """``bus``, ``lan`` or ``ble``: the link over which it answered last; empty before."""
        reported = self.reported(node)
        return reported.link.by if reported else ""

    def gateway_online(self, gateway: str) -> bool:
        """Whether the gateway says it is there (its last will says the contrary)."""
        status = self.fleet.gateways.get(gateway)
        return status is not None and status.state == "online"

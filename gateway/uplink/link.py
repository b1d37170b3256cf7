"""The connection to the broker: made, kept, remade; birth and last will; what it carries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import aiomqtt

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
from gateway.uplink.drain import Drain
from gateway.uplink.topics import Topics
from gateway.waiting import go_on

_RECONNECT_FIRST_S = 0.5
_RECONNECT_MOST_S = 60.0

# What is cut off sooner than this, such as one of two gateways with the same id, each of which the
# broker disconnects for the other, has not recovered: it waits longer each time.
_STABLE_S = 10.0
# For a word of leave at the end.
_LEAVE_S = 2.0

Handler = Callable[[str, bytes, int | None], Awaitable[None]]


class Link:
    """Keeps the gateway `gateway` connected to the broker of `settings`.

    `on_message(topic, payload, expiry)` gets what arrives, with the seconds it stays valid (None:
    for ever); `on_connected` is called after each connect, before anything that comes over it;
    `publishers` run on each connection beside the drain, until it ends; `alarms` gives what stands
    in the status document as such.

    Attributes:
        connections: made since the start.
        since: machine time of the last connect or disconnect, or of the start.
    """

    def __init__(
        self,
        gateway: str,
        version: str,
        settings: MqttSection,
        clock: StreetClock,
        drain: Drain,
        log: Logger,
    ) -> None:
        self._gateway = gateway
        self._version = version
        self._settings = settings
        self._clock = clock
        self._drain = drain
        self._log = log.bind(broker=f"{settings.host}:{settings.port}")
        self._trouble = Trouble(self._log, "broker unavailable")
        self._too_large = Trouble(self._log, "too large for the broker, which is not told it")
        self._topics = Topics(gateway)
        self._client: VerdictClient | None = None
        self._extra: set[str] = set()
        self._again = asyncio.Event()
        self.on_message: Handler | None = None
        self.on_connected: Callable[[], None] | None = None
        self.publishers: list[Callable[[], Awaitable[None]]] = []
        self.alarms: Callable[[], Sequence[object]] = list
        self.connections = 0
        self.since = time.monotonic()
        self._online_since = 0  # street time

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._client is not None

    async def run(self) -> None:
        """Stay connected until cancelled."""
        backoff = FullJitter(_RECONNECT_FIRST_S, _RECONNECT_MOST_S)
        while True:
            try:
                await self._connection(backoff)
            except* (aiomqtt.MqttError, OSError, ValueError) as failures:
                # ValueError: a password or certificate file that is not what it should be.
                self._trouble.failed(why=str(_first(failures)))
            go_on()
            await asyncio.sleep(backoff.next_delay())

    def follow(self, settings: MqttSection) -> None:
        """Go by `settings` from now on, over a new connection."""
        self._settings = settings
        self._log = self._log.bind(broker=f"{settings.host}:{settings.port}")
        self._again.set()

    async def ask_again(self) -> None:
        """Have the broker send again what it retains for us."""
        for topic in self._topics.wanted:
            if self._client is not None:
                try:
                    await self._client.subscribe(topic, qos=1)
                except aiomqtt.MqttError as error:
                    self._log.debug("it comes after the reconnect", why=str(error))

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish retained with QoS 1; done when acknowledged. Raises aiomqtt.MqttError."""
        if self._client is None:
            raise aiomqtt.MqttError("not connected")
        await self._publish(self._client, topic, payload)

    async def withdraw(self, topic: str) -> None:
        """Have the broker retain nothing on `topic` any more, where there is a connection now."""
        try:
            await self.publish(topic, b"")
        except aiomqtt.MqttError as error:
            self._log.warning("still retained at the broker", topic=topic, why=str(error))

    async def publish_status(self) -> None:
        """Say again that the gateway is there, with the alarms as they are now.

        Raises aiomqtt.MqttError.
        """
        await self.publish(self._topics.status, self._status("online", self._online_since))

    async def subscribe(self, topic: str) -> None:
        """Subscribe now, and after each reconnect, until unsubscribed."""
        self._extra.add(topic)
        if self._client is not None:
            try:
                await self._client.subscribe(topic, qos=1)
            except aiomqtt.MqttError as error:
                self._log.debug("subscribing again after reconnect", why=str(error))

    async def unsubscribe(self, topic: str) -> None:
        """Undo `subscribe`."""
        self._extra.discard(topic)
        if self._client is not None:
            try:
                await self._client.unsubscribe(topic)
            except aiomqtt.MqttError as error:
                self._log.debug("subscription ends with the connection", why=str(error))

    async def _connection(self, backoff: FullJitter) -> None:
        # Settings that come while this connection is being made are not those it is made with.
        self._again.clear()
        since = self._online_since = self._clock.now()
        offline = status_will(self._topics.status, self._status("offline", since))
        async with self._make(offline) as client:
            try:
                self._client = client
                self.connections += 1
                self.since = time.monotonic()
                await self._converse(client, since, backoff)
            except asyncio.CancelledError:
                # A clean stop sends no will: say it ourselves.
                with suppress(aiomqtt.MqttError):
                    status = self._status("offline", self._clock.now())
                    await self._publish(client, self._topics.status, status, _LEAVE_S)
                raise
            finally:
                self._client = None
                self.since = time.monotonic()

    async def _converse(self, client: VerdictClient, since: int, backoff: FullJitter) -> None:
        try:
            if self.on_connected is not None:
                self.on_connected()
            for topic in (*self._topics.wanted, *self._extra):
                await client.subscribe(topic, qos=1)
            await self._publish(client, self._topics.status, self._status("online", since))
            self._log.info("connected to the broker")
            await self._work(client, backoff)
        except* aiomqtt.MqttError:
            # Whatever failed first on a connection that was gone, this is why it was.
            if client.ended is not None and client.ended.is_failure:
                raise aiomqtt.MqttCodeError(client.ended) from None
            raise

    async def _publish(
        self, client: VerdictClient, topic: str, payload: bytes, timeout: float | None = None
    ) -> None:
        if not client.takes(topic, payload):
            # It would end the connection for it, and the records with it.
            self._too_large.failed(topic=topic, bytes=len(payload), most=client.largest_packet)
            return
        self._too_large.over()
        await client.publish(
            topic, payload, qos=1, retain=True, properties=document_properties(), timeout=timeout
        )
        # Else a publisher goes on over a connection that was to end, which then never does.
        go_on()

    async def _work(self, client: VerdictClient, backoff: FullJitter) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._settle(backoff))
            group.create_task(self._renewed())
            group.create_task(self._drain.run(client))
            for publisher in self.publishers:
                group.create_task(_coroutine(publisher))
            async for message in client.messages:
                if self.on_message is not None:
                    await self.on_message(
                        str(message.topic),
                        message.payload,
                        getattr(message.properties, "MessageExpiryInterval", None),
                    )
                client.taken(message)

    async def _renewed(self) -> None:
        await self._again.wait()
        raise aiomqtt.MqttError("other settings: connecting anew")

    async def _settle(self, backoff: FullJitter) -> None:
        await asyncio.sleep(_STABLE_S)
        backoff.reset()
        self._trouble.over()

    def _make(self, will: aiomqtt.Will) -> VerdictClient:
        identifier = f"lamplighter-{self._gateway}"
        return make_client(self._settings, identifier, will, keeps_session=True)

    def _status(self, state: str, since: int) -> bytes:
        return status_document(self._gateway, self._version, state, since, self.alarms())


async def _coroutine(make: Callable[[], Awaitable[None]]) -> None:
    await make()


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = failures.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]

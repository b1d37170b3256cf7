"""The broker's side of ingest: a session that outlives us, and messages acknowledged by us.

The MQTT library acknowledges a message when it has been handed over. Here that must wait until the
store has it, so the acknowledgement is taken over from the paho client underneath: its `manual_ack`
is public, aiomqtt only does not pass it on.
"""

import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Final, Self, cast

from aiomqtt import Client, Message, MqttError
from paho.mqtt.client import MQTT_ERR_SUCCESS
from paho.mqtt.client import Client as PahoClient

from fleet_cli import topics
from fleet_cli.broker.connection import new_client
from fleet_cli.broker.publishing import publish
from fleet_cli.broker.retained import next_message
from fleet_cli.settings import BrokerSettings

# What the broker may have unacknowledged with us: it bounds both memory and a batch. (mosquitto
# itself stops at its max_inflight_messages, 20 by default.)
RECEIVE_MAXIMUM: Final = 500
SESSION_EXPIRY_S: Final = 0xFFFFFFFF
"""For how long the broker keeps messages for an ingest that is away, s: for ever (MQTT 5,
3.1.2.11.2). Gateways delete what the broker has acknowledged, so with the session it would be lost.
"""

_SHARED: Final = f"$share/ingest/{topics.RECORDS}"


class Subscription:
    """One connection of one ingest.

    Shared, of several ingests each message goes to one. That is for brokers that keep shared
    subscriptions over a restart: mosquitto 2.0 does not, and what is published between its start
    and our return would be lost. A plain subscription it keeps; several ingests then each get
    everything, which the store makes harmless.
    """

    def __init__(self, settings: BrokerSettings, name: str, *, shared: bool = False) -> None:
        """`name` is the session with the broker; nothing is connected yet."""
        self._name = name
        self._since = int(time.time())
        self._records = _SHARED if shared else topics.RECORDS
        self._client: Client = new_client(
            settings,
            identifier=f"lamplighter-ingest-{name}",
            session_expiry_s=SESSION_EXPIRY_S,
            receive_maximum=RECEIVE_MAXIMUM,
        )
        self._paho = cast(PahoClient, cast(Any, self._client)._client)
        self._paho.manual_ack_set(True)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        try:
            await self._client.subscribe(self._records, qos=1)
            # Never shared: states are retained, which a shared subscription does not bring.
            await self._client.subscribe(topics.REPORTED, qos=1)
            # Not before: from here on the broker keeps for us what a gateway then deletes.
            await self.announce()
        except BaseException as error:
            await self._client.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def announce(self) -> None:
        """Tell the gateways that this ingest's session is there, as long as the broker keeps it.

        They delete readings only while an ingest is given them. A clean stop leaves it said: the
        session goes on holding messages. It ends when somebody retires the ingest.

        Raises:
            MqttError: the broker did not acknowledge it.
        """
        await publish(
            self._client,
            topics.ingest(self._name),
            {"ingest": self._name, "since": self._since},
            retain=True,
            expiry_s=SESSION_EXPIRY_S,
        )

    async def next_batch(self, timeout_s: float) -> Sequence[Message]:
        """Whatever has come: at least one message, or none when none came within `timeout_s`.

        Raises:
            MqttError: the connection was lost.
        """
        first = await next_message(self._client, timeout_s)
        if first is None:
            return []
        batch = [first]
        while len(self._client.messages) and len(batch) < RECEIVE_MAXIMUM:
            batch.append(await anext(self._client.messages))
        return batch

    def acknowledge(self, batch: Iterable[Message]) -> None:
        """Tell the broker that it may forget `batch`, in the order it came (MQTT 5, 4.6).

        Raises:
            MqttError: the connection was lost; the broker will send what it did not hear of again.
        """
        for message in batch:
            if self._paho.ack(message.mid, message.qos) != MQTT_ERR_SUCCESS:
                raise MqttError("lost while acknowledging")

"""aiomqtt's client, with the broker's verdict on each message.

aiomqtt 2.5 treats every PUBACK alike; in MQTT 5 a PUBACK can say that the message was refused, or
that it was accepted and had no subscriber. A reading deleted on such a PUBACK would be lost.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS, Client
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

# MQTT 5.0, 3.4.2.1, PUBACK reason codes.
SUCCESS = 0x00
NO_MATCHING_SUBSCRIBERS = 0x10
TOPIC_NAME_INVALID = 0x90
PACKET_TOO_LARGE = 0x95
PAYLOAD_FORMAT_INVALID = 0x99
FIRST_FAILURE = 0x80


class VerdictClient(aiomqtt.Client):
    """A client whose `send` gives the reason code of the PUBACK."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._verdicts: dict[int, asyncio.Future[int]] = {}
        # Warns at ten calls under way; here that is a full pipeline.
        self.pending_calls_threshold = 1 << 30

    async def send(
        self, topic: str, payload: bytes, properties: Properties | None, timeout: float
    ) -> int:
        """Publish with QoS 1; gives the reason code once the PUBACK is there.

        Raises aiomqtt.MqttError when the connection is lost or `timeout` (s) passes first.
        """
        info = self._client.publish(topic, payload, 1, False, properties)
        if info.rc != MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "could not publish")
        verdict: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._verdicts[info.mid] = verdict
        try:
            await asyncio.wait(
                [verdict, self._disconnected],
                timeout=timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._verdicts.pop(info.mid, None)
        if verdict.done():
            return verdict.result()
        raise aiomqtt.MqttError(
            "disconnected before the PUBACK" if self._disconnected.done() else "no PUBACK in time"
        )

    def _on_publish(
        self,
        client: Client,
        userdata: Any,
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        verdict = self._verdicts.pop(mid, None)
        if verdict is not None and not verdict.done():
            verdict.set_result(int(reason_code.value))
        super()._on_publish(client, userdata, mid, reason_code, properties)

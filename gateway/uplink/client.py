"""aiomqtt's client, with the broker's verdict on each message, and within the broker's limits.

aiomqtt 2.5 treats every PUBACK alike; in MQTT 5 a PUBACK can say that the message was refused, or
that it was accepted and had no subscriber. A reading deleted on such a PUBACK would be lost. paho
2.1 goes by the broker's Server Keep Alive, but not by its Receive Maximum and Maximum Packet Size;
a broker disconnects a client that exceeds these, and would do so at each connection.

What comes in is acknowledged by whoever has dealt with it: the broker holds the rest back meanwhile
(Receive Maximum), and memory is bounded however fast it is published. What came with QoS 0 it does
not hold back; beyond a bound that is dropped, as QoS 0 allows.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any, cast

import aiomqtt
from paho.mqtt.client import (
    MQTT_ERR_SUCCESS,
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
)
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

# MQTT 5.0, 3.4.2.1, PUBACK reason codes.
SUCCESS = 0x00
NO_MATCHING_SUBSCRIBERS = 0x10
TOPIC_NAME_INVALID = 0x90
PACKET_TOO_LARGE = 0x95
PAYLOAD_FORMAT_INVALID = 0x99
FIRST_FAILURE = 0x80
# Messages with QoS 1 that the broker may send before the first is acknowledged, told in CONNECT.
RECEIVE_MAXIMUM = 16
# Those with QoS 0 that wait, and bytes of all that wait, beyond which no more of them are kept.
_MOST_WAITING = 256
_MOST_WAITING_BYTES = 2_000_000
# Bytes of a PUBLISH beside its topic and payload, as far as this gateway sends them.
_MOST_PROPERTIES = 96


# mosquitto says so of a message beyond its message_size_limit, which the standard has no code for.
# A code that paho does not know of a PUBACK ends the connection, and would do so at each.
_NAMES = cast("Mapping[int, dict[str, list[int]]]", ReasonCode.names)  # pyright: ignore[reportUnknownMemberType]
_NAMES[PACKET_TOO_LARGE]["Packet too large"].append(PacketTypes.PUBACK)


# TLS alerts (RFC 8446, 6.2) of a broker about the certificate that it was shown, as OpenSSL names
# them. They come when the client takes the connection for made.
_ABOUT_CERTIFICATE = re.compile(
    r"ALERT_(BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|ACCESS_DENIED)"
)


class _Last(logging.Handler):
    """Keeps the last thing that paho complained of: its callbacks do not tell why."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


class VerdictClient(aiomqtt.Client):
    """A client whose `send` gives the reason code of the PUBACK.

    Attributes:
        largest_packet: bytes of the largest packet that the broker takes; None: it did not say.
        ended: why the broker has ended the connection; None where it has not, or said nothing.
        passed_over: messages dropped, since too many waited or their topic was none.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        complaints = logging.Logger("mqtt", logging.ERROR)
        self._last = _Last()
        complaints.addHandler(self._last)
        super().__init__(*args, logger=complaints, **kwargs)
        self._verdicts: dict[int, asyncio.Future[int]] = {}
        self.largest_packet: int | None = None
        self.ended: ReasonCode | None = None
        self.passed_over = 0
        self._waiting_bytes = 0
        self._client.manual_ack_set(True)
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

    def takes(self, topic: str, payload: bytes) -> bool:
        """Whether the broker takes packets as large as this message, with its properties."""
        size = len(topic.encode()) + len(payload) + _MOST_PROPERTIES
        return self.largest_packet is None or size <= self.largest_packet

    def taken(self, message: aiomqtt.Message) -> None:
        """`message` has been dealt with: the broker may forget it, and send the next."""
        self._waiting_bytes -= len(message.payload)
        if not self._disconnected.done():
            self._client.ack(message.mid, message.qos)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        try:
            aiomqtt.Topic(message.topic)
        except ValueError:
            # Not UTF-8, or no topic: whoever raises here loses the connection, and would each time.
            self.passed_over += 1
            self._client.ack(message.mid, message.qos)
            return
        full = self._queue.qsize() >= _MOST_WAITING or self._waiting_bytes >= _MOST_WAITING_BYTES
        if full and (message.qos == 0 or self._queue.qsize() >= 2 * _MOST_WAITING):
            self.passed_over += 1
            return
        self._waiting_bytes += len(message.payload)
        super()._on_message(client, userdata, message)

    def _on_connect(
        self,
        client: Client,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.largest_packet = getattr(properties, "MaximumPacketSize", None)
        receives = getattr(properties, "ReceiveMaximum", None)
        if receives is not None:
            # What is beyond it waits in paho's queue. Its setter refuses an open connection, for a
            # change between none and some; this is before the first message, and never none.
            most = client._max_inflight_messages  # pyright: ignore[reportPrivateUsage]
            client._max_inflight_messages = min(most, receives)  # pyright: ignore[reportPrivateUsage]
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: Client,
        userdata: Any,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if flags.is_disconnect_packet_from_server and self.ended is None:
            self.ended = reason_code
        if not self._connected.done():
            # aiomqtt would wait for its timeout, and never know why.
            self._connected.set_exception(aiomqtt.MqttError(self._broken_off(reason_code)))
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
        if self._disconnected.done():
            # Else asyncio writes a traceback of it wherever something else failed sooner.
            self._disconnected.exception()

    def _broken_off(self, reason_code: ReasonCode) -> str:
        why = self._last.text or str(reason_code)
        if _ABOUT_CERTIFICATE.search(why):
            return f"the broker refuses this gateway's certificate: {why}"
        return f"the connection broke off before the broker took it: {why}"

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

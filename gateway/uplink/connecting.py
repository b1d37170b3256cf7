"""A client for one connection to the city's broker, and what stands in the status document."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.config import MqttSection
from gateway.uplink.client import RECEIVE_MAXIMUM, VerdictClient
from gateway.uplink.credentials import password, tls_context

# Commands given while the connection is down arrive after it, unless they have expired.
_SESSION_EXPIRY_S = 3600
# Bytes of the largest that is meant for a gateway, the list of releases (an image is smaller), and
# of what comes with it. The broker keeps back what is larger, whoever has published it.
_LARGEST_PACKET = 1_100_000
# Of the JSON documents; told beside them, as that of the records is.
_DOCUMENT_SCHEMA = 1
# A message does not wait for the broker to say that it has the one before.
_SOCKET_OPTIONS = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)


def make_client(
    settings: MqttSection, identifier: str, will: aiomqtt.Will, *, keeps_session: bool
) -> VerdictClient:
    """A fresh client for each connection: none inherits another's trouble.

    Files named in `settings` are read anew, so that a renewed certificate or password is used.
    keeps_session: whether the broker keeps what is sent to the gateway while it is away. Raises
    OSError and ValueError where the files are not what they should be.
    """
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = _SESSION_EXPIRY_S if keeps_session else 0
    properties.MaximumPacketSize = _LARGEST_PACKET
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    return VerdictClient(
        settings.host,
        settings.port,
        username=settings.username,
        password=password(settings.password_file),
        identifier=identifier,
        protocol=aiomqtt.ProtocolVersion.V5,
        will=will,
        clean_start=not keeps_session,
        properties=properties,
        keepalive=settings.keepalive,
        timeout=max(10, settings.keepalive),
        tls_context=tls_context(settings.tls),
        max_inflight_messages=settings.in_flight,
        socket_options=_SOCKET_OPTIONS,
    )


def document_properties(packet: int = PacketTypes.PUBLISH) -> Properties:
    """The MQTT properties of a retained JSON document; packet: PUBLISH or WILLMESSAGE.

    None of them expires: the last that was known of a lamppost, or that a gateway is offline, is
    worth most when nothing newer comes.
    """
    made = Properties(packet)
    made.PayloadFormatIndicator = 1  # UTF-8
    made.ContentType = "application/json"
    made.UserProperty = ("schema", str(_DOCUMENT_SCHEMA))
    return made


def status_will(topic: str, status: bytes) -> aiomqtt.Will:
    """What the broker publishes when the connection breaks."""
    return aiomqtt.Will(topic, status, 1, True, document_properties(PacketTypes.WILLMESSAGE))


def status_document(
    gateway: str, version: str, state: str, since: int, alarms: Sequence[object]
) -> bytes:
    """The retained status: `state` is online or offline since the street time `since`."""
    return json.dumps(
        {
            "state": state,
            "since": since,
            "version": version,
            "gateway": gateway,
            "alarms": list(alarms),
        }
    ).encode()

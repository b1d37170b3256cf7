"""Publishing with the broker's own word that it has the message."""

import json
from typing import Any, Final

from aiomqtt import Client
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

_QOS: Final = 1


async def publish(
    client: Client,
    topic: str,
    body: dict[str, Any] | bytes | None,
    *,
    retain: bool,
    expiry_s: int | None = None,
) -> None:
    """Publish `body` and return when the broker has acknowledged it.

    Args:
        client: a connected client.
        topic: where to.
        body: a JSON object, bytes as they are, or None to remove what is retained.
        retain: whether the broker keeps it for those who subscribe later.
        expiry_s: after how many seconds the broker drops it undelivered, 1..4294967295.

    Raises:
        aiomqtt.MqttError: the broker did not acknowledge it.
    """
    properties = Properties(PacketTypes.PUBLISH)
    payload = b""
    if isinstance(body, dict):
        payload = json.dumps(body, separators=(",", ":")).encode()
        properties.ContentType = "application/json"
    elif body is not None:
        payload = body
        properties.ContentType = "application/octet-stream"
    if expiry_s is not None:
        properties.MessageExpiryInterval = expiry_s
    await client.publish(topic, payload, qos=_QOS, retain=retain, properties=properties)

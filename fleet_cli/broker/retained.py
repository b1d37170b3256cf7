"""Reading what the broker retains.

MQTT has no end-of-retained-messages mark: they follow the subscription at once, so a quiet time
after the last one says that they are all here.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from aiomqtt import Client, Message

QUIET_S: Final = 0.5
"""Silence after which the retained messages are taken to be complete, s."""

LIMIT_S: Final = 30.0
"""The longest that reading them may take, s: a busy fleet is never silent."""


@dataclass
class Retained:
    """What was read.

    Attributes:
        messages: (topic, payload), the last of each topic, in the order of their first arrival.
        complete: False when the limit came before the quiet did, so that some may be missing.
    """

    messages: dict[str, bytes] = field(default_factory=dict[str, bytes])
    complete: bool = True


async def read_retained(
    client: Client, *filters: str, quiet_s: float = QUIET_S, limit_s: float = LIMIT_S
) -> Retained:
    """Subscribe to `filters` and return what is retained there; the subscriptions stay.

    Live messages that come meanwhile count as well: they are newer than what they replace.

    Raises:
        aiomqtt.MqttError: the connection was lost.
    """
    for topic_filter in filters:
        await client.subscribe(topic_filter, qos=1)
    found = Retained()
    end = asyncio.get_running_loop().time() + limit_s
    while (left := end - asyncio.get_running_loop().time()) > 0:
        message = await next_message(client, min(quiet_s, left))
        if message is None:
            return found
        # QoS 1 may deliver twice, and a live message may overtake: the last one stands.
        found.messages[str(message.topic)] = as_bytes(message)
    found.complete = False
    return found


async def next_message(client: Client, timeout_s: float) -> Message | None:
    """The next message, None when none came within `timeout_s`.

    Raises:
        aiomqtt.MqttError: the connection was lost.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await anext(client.messages)
    except TimeoutError:
        return None


def as_bytes(message: Message) -> bytes:
    """The payload, which the library's types leave open."""
    return bytes(message.payload)

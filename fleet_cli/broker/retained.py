"""Reading what the broker retains.

MQTT has no end-of-retained-messages mark: they follow the subscription at once, so a quiet time
after the last one says that they are all here.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

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


# The wait for the next message of each client that somebody has given up waiting for.
_waiting: WeakKeyDictionary[Client, asyncio.Task[Message]] = WeakKeyDictionary()


async def next_message(client: Client, timeout_s: float) -> Message | None:
    """The next message, None when none came within `timeout_s`.

    The library's own wait may not be cancelled: a message that comes in that very moment has left
    its queue and would be gone, unacknowledged and never sent again. So it goes on, and whoever
    asks next takes it up. All reading of a client's messages has to go through here.

    Raises:
        aiomqtt.MqttError: the connection was lost.
    """
    waiting = _waiting.get(client)
    if waiting is None:
        waiting = _waiting[client] = asyncio.create_task(_next(client))
        # Nobody may come for it: then its end is no news.
        waiting.add_done_callback(lambda task: task.cancelled() or task.exception())
    done, _ = await asyncio.wait({waiting}, timeout=timeout_s)
    if not done:
        return None
    del _waiting[client]
    return waiting.result()


async def _next(client: Client) -> Message:
    return await anext(client.messages)


def as_bytes(message: Message) -> bytes:
    """The payload, which the library's types leave open."""
    return bytes(message.payload)

"""Waiting for a message for a while only must not lose the one that comes as the wait ends."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from aiomqtt import MqttError
from aiomqtt.client import MessagesIterator

from fleet_cli.broker.retained import next_message


class QueueOfMessages:
    """As much of a client as the library's own iterator over its messages needs."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[object] = asyncio.Queue()
        self._disconnected: asyncio.Future[None] = self._loop.create_future()
        self.messages: AsyncIterator[object] = MessagesIterator(self)  # type: ignore[arg-type]

    def deliver(self, number: int) -> None:
        self._queue.put_nowait(SimpleNamespace(number=number))


async def test_no_message_is_lost_that_comes_in_the_moment_the_wait_ends() -> None:
    client = QueueOfMessages()
    got: list[int] = []
    for number in range(200):
        # In the same turn of the loop as the time limit, after a different number of its steps.
        client._loop.call_later(0.001, client.deliver, number)
        message = await next_message(client, 0.001)  # type: ignore[arg-type]
        if message is not None:
            got.append(message.number)  # type: ignore[attr-defined]
    while len(got) < 200:
        message = await next_message(client, 1.0)  # type: ignore[arg-type]
        assert message is not None, f"{200 - len(got)} messages were lost"
        got.append(message.number)  # type: ignore[attr-defined]
    assert got == list(range(200))


async def test_one_that_is_cancelled_while_waiting_leaves_the_message_to_the_next() -> None:
    client = QueueOfMessages()
    waiting = asyncio.create_task(next_message(client, 10))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    waiting.cancel()
    client.deliver(1)
    await asyncio.wait([waiting])
    message = await next_message(client, 1.0)  # type: ignore[arg-type]
    assert message is not None


async def test_a_lost_connection_is_told() -> None:
    client = QueueOfMessages()
    assert await next_message(client, 0.001) is None  # type: ignore[arg-type]
    client._disconnected.set_exception(MqttError("gone"))
    with pytest.raises(MqttError, match="Disconnected"):
        await next_message(client, 1.0)  # type: ignore[arg-type]

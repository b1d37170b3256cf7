"""One second outlet: a connection of its own, a cursor of its own, and trouble of its own.

Nothing here holds the city's uplink or the lampposts back: what an outlet has not passed on waits
in the buffer within a bound (`[buffer]`), beyond which the outlet misses it, counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import aiomqtt

from gateway.backoff import FullJitter
from gateway.buffer.records import Records
from gateway.errors import BufferUnavailable, GatewayError
from gateway.logs import Logger, Trouble
from gateway.outlets.dialect import Dialect, Message, Override, Post
from gateway.outlets.readings import readings
from gateway.waiting import go_on, happens_within

_RECONNECT_FIRST_S = 1.0
_RECONNECT_MOST_S = 120.0
_STABLE_S = 10.0
_LOOK_EVERY_S = 1.0
_ROWS = 500
_IN_FLIGHT = 20
# Nobody says more to a street's gateway than this at once.
_QUEUE = 256

Client = Callable[[aiomqtt.Will], aiomqtt.Client]
Command = Callable[[bytes, int | None], Awaitable[None]]


class Outlet:
    """Tells an outlet what comes into `records` under the cursor `name`.

    client(will): a fresh client for each connection; dialect(): one for each connection too;
    posts(): the lampposts as they stand; command(node, level): carries out what somebody wants
    there, None ends an override; raises GatewayError.
    """

    def __init__(
        self,
        name: str,
        records: Records,
        client: Client,
        dialect: Callable[[], Dialect],
        posts: Callable[[], Sequence[Post]],
        command: Command,
        log: Logger,
    ) -> None:
        self.name = name
        self._records = records
        self._client = client
        self._make_dialect = dialect
        self._posts = posts
        self._command = command
        self._log = log.bind(outlet=name)
        self._trouble = Trouble(self._log, "outlet unavailable")
        self._unusable = Trouble(self._log, "message refused")
        self.connected = False
        self.connections = 0
        self.sent = 0  # records passed on since start
        self.refused = 0  # messages from there that could not be used

    async def run(self) -> None:
        """Stay connected and pass on until cancelled."""
        backoff = FullJitter(_RECONNECT_FIRST_S, _RECONNECT_MOST_S)
        while True:
            try:
                await self._connection(backoff)
            except* (aiomqtt.MqttError, OSError, ValueError) as failures:
                # ValueError: a password or certificate file that is not what it should be.
                self._trouble.failed(why=str(failures.exceptions[0]))
            except* BufferUnavailable as failures:
                self._trouble.failed(why=str(failures.exceptions[0]))
            finally:
                self.connected = False
            go_on()
            await asyncio.sleep(backoff.next_delay())

    async def _connection(self, backoff: FullJitter) -> None:
        dialect = self._make_dialect()
        last = dialect.will
        will = aiomqtt.Will(last.topic, last.payload, last.qos, last.retain)
        async with self._client(will) as client:
            try:
                self.connected = True
                self.connections += 1
                for topic in dialect.subscriptions:
                    await client.subscribe(topic, qos=1)
                await _say(client, dialect.birth(self._posts()))
                self._log.info("outlet connected")
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._settle(backoff))
                    group.create_task(self._watch(client, dialect))
                    group.create_task(self._pass_on(client, dialect))
                    async for message in client.messages:
                        await self._received(client, dialect, message)
            except asyncio.CancelledError:
                # A clean stop sends no will: say it ourselves.
                with suppress(aiomqtt.MqttError):
                    await client.publish(*last, timeout=2)
                raise

    async def _settle(self, backoff: FullJitter) -> None:
        await asyncio.sleep(_STABLE_S)
        backoff.reset()
        self._trouble.over()

    async def _watch(self, client: aiomqtt.Client, dialect: Dialect) -> None:
        known = {post.node: post for post in self._posts()}
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = {post.node: post for post in self._posts()}
            changed = [post for node, post in now.items() if known.get(node) != post]
            if changed and dialect.ready:
                known = now
                await _say(client, dialect.states(changed))

    async def _pass_on(self, client: aiomqtt.Client, dialect: Dialect) -> None:
        added = self._records.added_for[self.name]
        while True:
            added.clear()
            rows = await self._records.begin_for(self.name, _ROWS) if dialect.ready else []
            if not rows:
                await happens_within(added, _LOOK_EVERY_S)
                continue
            messages = dialect.readings(readings(rows))
            await _say(client, messages)
            if any(message.qos == 0 for message in messages):
                # Nobody acknowledges these; an answer to what follows them says they have arrived.
                await client.subscribe(dialect.subscriptions[0], qos=1)
            await self._records.passed(self.name, rows[-1].id)
            self.sent += len(rows)

    async def _received(
        self, client: aiomqtt.Client, dialect: Dialect, message: aiomqtt.Message
    ) -> None:
        try:
            wish = dialect.received(str(message.topic), _bytes(message.payload))
        except (ValueError, RecursionError) as error:
            self.refused += 1
            self._unusable.failed(topic=str(message.topic)[:200], why=str(error)[:300])
            return
        if wish == "birth":
            await _say(client, dialect.birth(self._posts()))
        elif isinstance(wish, Override):
            # A retained command is as old as the broker: nobody wants it now.
            if message.retain:
                self.refused += 1
                return
            try:
                await self._command(wish.node, wish.level)
            except GatewayError as error:
                self.refused += 1
                self._log.warning("command refused", why=str(error))
                await _say(client, wish.refusal)
            else:
                await _say(client, wish.answer)


async def _say(client: aiomqtt.Client, messages: Sequence[Message]) -> None:
    """Publish in this order, some at a time; done when all that ask for it are acknowledged."""
    for first in range(0, len(messages), _IN_FLIGHT):
        await asyncio.gather(
            *(client.publish(*message) for message in messages[first : first + _IN_FLIGHT])
        )


def _bytes(payload: Any) -> bytes:
    return bytes(payload) if isinstance(payload, bytes | bytearray) else str(payload).encode()

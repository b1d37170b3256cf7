"""Who asks over the local network: SMP requests to one lamppost, replies matched to them."""

from __future__ import annotations

import asyncio
from typing import Any

import aiomqtt

from protocol import lantopics, smp


class Master:
    """Used as a context manager. states: the retained states seen, the newest last."""

    def __init__(self, port: int, node: str) -> None:
        self._client = aiomqtt.Client("127.0.0.1", port)
        self._node = node
        self._sequence = 0
        self._replies: asyncio.Queue[bytes] = asyncio.Queue()
        self.states: list[dict[str, Any]] = []

    async def __aenter__(self) -> Master:
        await self._client.__aenter__()
        for kind in (lantopics.REPLY, lantopics.STATE):
            await self._client.subscribe(lantopics.topic(self._node, kind), qos=1)
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *failure: Any) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        await self._client.__aexit__(*failure)

    async def ask(
        self, op: int, group: int, command: int, body: dict[str, Any], patience_s: float = 2
    ) -> dict[str, Any]:
        """The body of the reply; the request is repeated until it comes."""
        while True:
            self._sequence = (self._sequence + 1) & 0xFF
            message = smp.pack(op, group, self._sequence, command, body)
            await self._client.publish(
                lantopics.topic(self._node, lantopics.REQUEST), message, qos=1
            )
            try:
                async with asyncio.timeout(patience_s):
                    while True:
                        if self._listening.done():
                            self._listening.result()
                        reply = smp.unpack(await self._replies.get())
                        if reply[:4] == (op + 1, group, self._sequence, command):
                            return reply[4]
            except TimeoutError:
                continue

    async def _listen(self) -> None:
        async for message in self._client.messages:
            assert isinstance(message.payload, bytes)
            if lantopics.parse_topic(str(message.topic))[1] == lantopics.REPLY:
                self._replies.put_nowait(message.payload)
            else:
                self.states.append(lantopics.parse_state(message.payload))

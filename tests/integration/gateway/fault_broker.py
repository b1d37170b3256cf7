"""An MQTT 5 broker that does wrong to order: refuses, drops, dies, is slow, holds to its limits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
RECEIVE_MAXIMUM_EXCEEDED, PACKET_TOO_LARGE, TAKEN_OVER = 0x93, 0x95, 0x8E


@dataclass
class Message:
    topic: str
    payload: bytes


class Drop(Exception):
    """Raised by `FaultBroker.verdict`: no PUBACK."""


class Die(Exception):
    """Raised by a knob: the connection breaks at this point."""


@dataclass
class FaultBroker:
    """Knobs for what goes wrong, and what was seen."""

    refuse: int = 0  # reason code of the CONNACK
    kick: int | None = None  # reason code of a DISCONNECT right after it
    trickle_s: float = 0.0  # between two bytes of what it says
    hold_acks: int = 0  # PUBACKs come once so many messages wait for theirs
    limits: dict[str, int] = field(default_factory=dict)  # properties of the CONNACK
    verdict: Callable[[Message], int] = lambda message: 0
    after_ack: Callable[[Message], None] = lambda message: None

    def __post_init__(self) -> None:
        self.port = 0
        self.connects: list[str] = []
        self.messages: list[Message] = []
        self.largest = 0
        self.most_waiting = 0
        self.pings = 0
        self.violations: list[int] = []
        self._held: dict[str, asyncio.StreamWriter] = {}
        self._deaf: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FaultBroker:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def records(self) -> list[bytes]:
        return [one.payload for one in self.messages if one.topic.endswith("/records")]

    def go_deaf(self) -> None:
        """Of the connections there are, none is heard or answered any more: half-open TCP."""
        self._deaf |= set(self._held.values())

    async def take_over(self, client: str) -> None:
        """Another client by the same identifier."""
        await self._disconnect(self._held[client], TAKEN_OVER)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError, Die):
                await self._session(reader, writer)
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting: list[bytes] = []
        while True:
            first, body = await _packet(reader)
            kind = first >> 4
            if writer in self._deaf:
                await asyncio.get_running_loop().create_future()
            if kind == CONNECT:
                client = _text(body, _after_properties(body, 10))
                self.connects.append(client)
                if client in self._held:
                    await self._disconnect(self._held[client], TAKEN_OVER)
                self._held[client] = writer
                await self._say(writer, CONNACK, bytes((0, self.refuse)) + self._properties())
                if self.refuse:
                    raise Die
                if self.kick is not None:
                    await self._disconnect(writer, self.kick)
                    raise Die
            elif kind == PUBLISH:
                await self._published(writer, body, waiting)
            elif kind == SUBSCRIBE:
                await self._say(writer, SUBACK, body[:2] + b"\0\1")
            elif kind == PINGREQ:
                self.pings += 1
                await self._say(writer, PINGRESP, b"")
            elif kind == DISCONNECT:
                raise Die

    async def _published(
        self, writer: asyncio.StreamWriter, body: bytes, waiting: list[bytes]
    ) -> None:
        size = len(body) + 1 + len(VariableByteIntegers.encode(len(body)))
        self.largest = max(self.largest, size)
        if size > self.limits.get("MaximumPacketSize", size):
            self.violations.append(PACKET_TOO_LARGE)
            await self._disconnect(writer, PACKET_TOO_LARGE)
            raise Die
        topic = _text(body, 0)
        mid = 2 + len(topic.encode())
        message = Message(topic, body[_after_properties(body, mid + 2) :])
        self.messages.append(message)
        with contextlib.suppress(Drop):
            code = self.verdict(message)
            waiting.append(body[mid : mid + 2] + (bytes((code, 0)) if code else b""))
        self.most_waiting = max(self.most_waiting, len(waiting))
        if len(waiting) > self.limits.get("ReceiveMaximum", len(waiting)):
            self.violations.append(RECEIVE_MAXIMUM_EXCEEDED)
            await self._disconnect(writer, RECEIVE_MAXIMUM_EXCEEDED)
            raise Die
        if len(waiting) >= self.hold_acks or not topic.endswith("/records"):
            for acknowledgement in waiting:
                await self._say(writer, PUBACK, acknowledgement)
            waiting.clear()
            self.after_ack(message)

    def _properties(self) -> bytes:
        made = Properties(PacketTypes.CONNACK)
        for name, value in self.limits.items():
            setattr(made, name, value)
        return made.pack()

    async def _disconnect(self, writer: asyncio.StreamWriter, reason: int) -> None:
        with contextlib.suppress(OSError):
            await self._say(writer, DISCONNECT, bytes((reason, 0)))

    async def _say(self, writer: asyncio.StreamWriter, kind: int, body: bytes) -> None:
        packet = bytes((kind << 4,)) + VariableByteIntegers.encode(len(body)) + body
        if not self.trickle_s:
            writer.write(packet)
        for byte in packet if self.trickle_s else b"":
            writer.write(bytes((byte,)))
            await asyncio.sleep(self.trickle_s)
        await writer.drain()


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """First byte and body of one packet (MQTT 5.0, 2.1)."""
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return first, await reader.readexactly(length)


def _text(body: bytes, at: int) -> str:
    length = int.from_bytes(body[at : at + 2], "big")
    return body[at + 2 : at + 2 + length].decode()


def _after_properties(body: bytes, at: int) -> int:
    length, taken = VariableByteIntegers.decode(body[at : at + 4])
    return at + taken + length

"""A TCP proxy before the broker that behaves as badly as networks do."""

from __future__ import annotations

import asyncio
import contextlib
import random
from enum import Enum, auto

_PINGRESP = b"\xd0\x00"


class Mode(Enum):
    """What becomes of the bytes."""

    PASS = auto()
    BLACKHOLE = auto()  # taken and never passed on: the peer is gone and nobody says so
    TRICKLE = auto()  # one by one
    GARBAGE = auto()  # from the broker: some of them altered
    NOISE = auto()  # there is no broker, only noise


class Proxy:
    """``port`` leads to the broker's; ``mode`` holds for all connections, from now on."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._random = random.Random(7)
        self.mode = Mode.PASS
        self.port = 0
        self.accepted = 0
        # The broker has answered a ping, and so all that was sent before it.
        self.answered = asyncio.Event()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.accepted += 1
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                if self.mode is Mode.NOISE:
                    writer.write(self._random.randbytes(3000))
                    await writer.drain()
                    await reader.read()
                    return
                up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._broker_port)
                self._writers.add(up_writer)
                try:
                    await asyncio.gather(
                        self._copy(reader, up_writer, False), self._copy(up_reader, writer, True)
                    )
                finally:
                    up_writer.transport.abort()
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, from_broker: bool
    ) -> None:
        while data := await reader.read(65536):
            if self.mode is Mode.BLACKHOLE:
                continue
            if self.mode is Mode.GARBAGE and from_broker:
                altered = bytearray(data)
                altered[self._random.randrange(len(altered))] ^= self._random.randrange(1, 256)
                data = bytes(altered)
            if self.mode is Mode.TRICKLE:
                for byte in data:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.004)
                continue
            writer.write(data)
            await writer.drain()
            if from_broker and data.endswith(_PINGRESP):
                self.answered.set()
        writer.transport.abort()

"""A TCP proxy before the broker that can hold back its PUBACKs and cut the connection."""

from __future__ import annotations

import asyncio
import contextlib

PUBACK = 4


class Proxy:
    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.withhold_pubacks = False
        self.withheld = 0
        self.port = 0

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
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._broker_port)
            self._writers |= {writer, up_writer}
            # A cancelled handler makes asyncio.streams log an error of its own: end quietly.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await asyncio.gather(_copy(reader, up_writer), self._filter(up_reader, writer))
            writer.transport.abort()
            up_writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _filter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Packet by packet: fixed header, remaining length (MQTT 5.0, 2.1), rest."""
        while True:
            packet = await reader.readexactly(1)
            length = shift = 0
            while True:
                digit = await reader.readexactly(1)
                packet += digit
                length |= (digit[0] & 0x7F) << shift
                shift += 7
                if not digit[0] & 0x80:
                    break
            packet += await reader.readexactly(length)
            if packet[0] >> 4 == PUBACK and self.withhold_pubacks:
                self.withheld += 1
                continue
            writer.write(packet)
            await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()

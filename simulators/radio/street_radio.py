"""All that is on the air of one street: its lampposts, and hosts that come with a radio of ours."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

from bumble.transport.common import StreamPacketSink, StreamPacketSource

from simulators.radio.air import Air, AirController
from simulators.radio.node_radio import NodeRadio


class StreetRadio:
    """The air of a street."""

    def __init__(self) -> None:
        self.air = Air()
        self._servers: list[asyncio.Server] = []

    def join(self, address: bytes, send: Callable[[bytes], None]) -> NodeRadio:
        """A chip's radio with the public address ``address`` (6 bytes)."""
        return NodeRadio(self.air, address, send)

    async def serve_hci(self, path: Path) -> None:
        """Listen on a unix socket at which each connection is a Bluetooth controller in the street.

        What is spoken there is the HCI as on a serial line (H4): any Bluetooth host that can be
        given such a socket takes it for a USB dongle, Bumble by ``unix:path``.

        Raises:
            OSError: the socket cannot be made there.
        """
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_unix_server(lambda: _Hci(self.air), str(path)))

    def close(self) -> None:
        """Stop listening; who is connected goes with their connection."""
        for server in self._servers:
            server.close()
        self._servers.clear()


class _Hci(StreamPacketSource):
    """One host's connection to a controller of its own."""

    def __init__(self, air: Air) -> None:
        super().__init__()
        self._controller = AirController("host", air)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.set_packet_sink(self._controller)
        sink = StreamPacketSink(cast(asyncio.WriteTransport, transport))
        self._controller.set_packet_sink(sink)

    def connection_lost(self, exc: Exception | None) -> None:
        self._controller.set_packet_sink(None)
        self._controller.vanish()

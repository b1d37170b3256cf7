"""The RS-485 bus: one master, which asks; a node speaks only when spoken to by its address.

Every node hears everything on the line, its own frames included where the transceiver echoes; what
is for others, or is a reply, is passed over.
"""

import asyncio

from protocol import busframe
from protocol.errors import ProtocolError

NAME = "bus"

# How often a quiet line is left to check in.
_QUIET_MS = 3000
_CHUNK = 256


class BusLink:
    """uart: a `machine.UART`. server: Server. address: this node's, 1..247.

    answered: requests replied to. broadcasts: broadcast frames, none of which is carried out: one
    cannot be sealed with a key that a single node has, and unsealed it may change nothing. failed:
    replies that the port did not take.
    """

    def __init__(self, uart, server, address):
        self._uart = uart
        self._reader = asyncio.StreamReader(uart)
        self._server = server
        self._address = address
        self._deframer = busframe.Deframer()
        self._buffer = bytearray(_CHUNK)
        self.answered = 0
        self.broadcasts = 0
        self.failed = 0

    @property
    def rejected(self) -> int:
        """Frames that were garbled or too long."""
        return self._deframer.rejected

    async def run(self, check_in):
        """Answer what is addressed to this node."""
        view = memoryview(self._buffer)
        while True:
            check_in()
            try:
                count = await asyncio.wait_for_ms(self._reader.readinto(self._buffer), _QUIET_MS)
            except asyncio.TimeoutError:  # noqa: UP041 - MicroPython has no other
                continue
            if not count:
                # A port that is ready and has nothing: do not spin on it.
                await asyncio.sleep_ms(10)
                continue
            for address, control, sequence, payload in self._deframer.feed(view[:count]):
                check_in()
                if control == busframe.BROADCAST:
                    self.broadcasts += 1
                elif control == busframe.REQUEST and address == self._address:
                    await self._answer(sequence, payload)

    async def _answer(self, sequence, payload):
        reply = await self._server.handle(payload, NAME)
        if reply is None:
            return
        try:
            # The port's buffer takes a whole frame, so this does not wait for the line.
            self._uart.write(busframe.encode(self._address, busframe.RESPONSE, sequence, reply))
            self.answered += 1
        except (OSError, ProtocolError):
            self.failed += 1

"""The RS-485 bus: one master, which asks; a node speaks only when spoken to by its address.

Every node hears everything on the line, its own frames included where the transceiver echoes; what
is for others, or is a reply, is passed over. A broadcast is carried out and never answered: what
changes the street has to be sealed under a group key, chunks of a multicast image do not. A call,
by which the master asks all at once, is answered when somebody was seen of whom it has not heard.
"""

import asyncio
import time

from protocol import busframe
from protocol.errors import ProtocolError

NAME = "bus"

# How often a quiet line is left to check in.
_QUIET_MS = 3000
_CHUNK = 256
# A request that took longer has left others of its kind in the port's buffer: the master repeats
# what is not answered, and then asks the next node.
_LONG_MS = 500
# The master waits this much at least for the reply to a request that writes flash, and not much
# longer. What takes longer it asks for again, and is answered then.
_PATIENCE_MS = 2000
# Most pieces thrown away in one go, more than any port holds.
_MOST_STALE = 256


class BusLink:
    """uart: a `machine.UART`. server: Server. address: this node's, 1..247. lamp: has `sightings`.

    answered: requests and calls replied to. broadcasts: broadcast frames. failed: replies that the
    port did not take. late: replies not sent because nobody waits for them.
    """

    def __init__(self, uart, server, address, lamp):
        self._uart = uart
        self._reader = asyncio.StreamReader(uart)
        self._server = server
        self._address = address
        self._lamp = lamp
        # Low bits of the sightings: that the master has heard of, and that it was last told.
        self._heard = self._said = 0
        self._deframer = busframe.Deframer()
        self._rejected = 0  # by deframers before this one
        self._buffer = bytearray(_CHUNK)
        self.answered = 0
        self.broadcasts = 0
        self.failed = 0
        self.late = 0

    @property
    def rejected(self) -> int:
        """Frames that were garbled or too long."""
        return self._rejected + self._deframer.rejected

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
            frames = self._deframer.feed(view[:count])
            while frames:
                address, control, sequence, payload = frames.pop(0)
                check_in()
                if control == busframe.BROADCAST and address == busframe.BROADCAST_ADDRESS:
                    self.broadcasts += 1
                    began = time.ticks_ms()
                    await self._server.broadcast(payload, NAME)
                    if time.ticks_diff(time.ticks_ms(), began) >= _LONG_MS:
                        self._forget_stale()
                        break
                elif control == busframe.CALL and address == busframe.BROADCAST_ADDRESS:
                    # When the master has gone on, an answer would only garble what it says.
                    late = frames or self._deframer.pending or self._uart.any()
                    self._called(sequence, payload, late)
                elif control == busframe.REQUEST and address == self._address:
                    took = await self._answer(sequence, payload)
                    if took >= _LONG_MS:
                        self._forget_stale()
                        break

    def _called(self, sequence, payload, late):
        """Say that somebody was seen, if the master asks this node and has not heard it yet."""
        seen = self._lamp.sightings & 0xFF
        asked, heard, begins = busframe.parse_call(payload, self._address)
        if begins:
            self._heard = seen
        elif heard:
            self._heard = self._said
        if asked and not late and seen != self._heard:
            self._said = seen
            self._send(busframe.CALL_REPLY, sequence, bytes((seen,)))

    async def _answer(self, sequence, payload):
        """Answer one request; how long it took, in ms."""
        began = time.ticks_ms()
        reply = await self._server.handle(payload, NAME)
        took = time.ticks_diff(time.ticks_ms(), began)
        if reply is None:
            return took
        if took > _PATIENCE_MS:
            # By now the line is another node's; the repeat of the request is answered.
            self.late += 1
            return took
        self._send(busframe.RESPONSE, sequence, reply)
        return took

    def _send(self, control, sequence, payload):
        try:
            # The port's buffer takes a whole frame, so this does not wait for the line.
            self._uart.write(busframe.encode(self._address, control, sequence, payload))
            self.answered += 1
        except (OSError, ProtocolError):
            self.failed += 1

    def _forget_stale(self):
        """Drop what came in meanwhile: a reply to it would meet another node's on the line."""
        self._rejected += self._deframer.rejected
        self._deframer = busframe.Deframer()
        for _ in range(_MOST_STALE):
            if not self._uart.readinto(self._buffer):
                break

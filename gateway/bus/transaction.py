"""Request and reply on the line: one at a time, matched by address and sequence.

Beside them a broadcast, which nobody answers, and a call, which anybody may.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from gateway.bus.port import Frame, Port
from gateway.errors import LinkUnavailable, NoReply
from protocol import busframe

# A reply that has begun arrives without longer pauses than this, USB adapters' 16 ms included.
_GAP_S = 0.05
_BITS_PER_BYTE = 10  # 8N1
# What is not on the line long after it should be never will be.
_DRAIN_STEP_S = 0.002
_CALL_REPLY_BYTES = busframe.line_bytes(1)


class Called(NamedTuple):
    """Who answered a call: (address, low bits of its sightings); garbled: somebody else did."""

    answers: list[tuple[int, int]]
    garbled: bool


class Line:
    """Exchanges frames through `port`; whoever calls holds the line's turn.

    reply_timeout_s: how long a lamppost may take to begin its answer.
    """

    def __init__(self, port: Port, reply_timeout_s: float) -> None:
        self._port = port
        self._reply_timeout = reply_timeout_s
        self._sequence = 0
        self._wanted: tuple[int, int] | None = None
        self._reply: asyncio.Future[bytes] | None = None
        # Sequence of the call under way, and what was answered to it.
        self._calling: tuple[int, list[tuple[int, int]]] | None = None
        port.on_frame = self._on_frame
        self.requests = 0
        self.timeouts = 0
        # Frames nobody waits for: late replies, or a second master.
        self.unexpected = 0

    @property
    def open(self) -> bool:
        """Whether the port is open."""
        return self._port.opened.is_set()

    def next_sequence(self) -> int:
        """A sequence for the next request; a repeat of it keeps the same."""
        self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    async def transact(
        self, address: int, sequence: int, payload: bytes, patience_s: float = 0
    ) -> bytes:
        """Send a request and give the reply's payload.

        patience_s: added to the reply timeout for requests that make a lamppost work.
        Raises NoReply, LinkUnavailable, ProtocolError (payload too long).
        """
        frame = busframe.encode(address, busframe.REQUEST, sequence, payload)
        self._wanted = (address, sequence)
        self._reply = asyncio.get_running_loop().create_future()
        self.requests += 1
        try:
            sent = time.monotonic()
            self._port.send(frame)
            return await self._await_reply(self._reply, sent, len(frame), patience_s)
        finally:
            self._wanted = None
            self._reply = None

    async def broadcast(self, payload: bytes, times: int) -> None:
        """Say `payload` to all, `times` times over in the same bytes; back when it has been said.

        Raises LinkUnavailable when it does not get on to the line, ProtocolError (too long).
        """
        frame = busframe.encode(
            busframe.BROADCAST_ADDRESS, busframe.BROADCAST, self.next_sequence(), payload
        )
        self.requests += 1
        self._port.send(frame * times)
        until = time.monotonic() + self._line_time(times * len(frame)) + self._reply_timeout
        await asyncio.sleep(self._line_time(times * len(frame)))
        while self._port.unsent:
            if time.monotonic() >= until:
                self._port.take_back()
                raise LinkUnavailable("what is said to all does not get on to the line")
            await asyncio.sleep(_DRAIN_STEP_S)

    async def call(self, mask: int, value: int, heard: bytes, window_s: float) -> Called:
        """Call the lampposts whose address & `mask` is `value`; `heard` as busframe has it.

        window_s: how long a lamppost may take to begin its answer. Raises LinkUnavailable.
        """
        sequence = self.next_sequence()
        payload = busframe.call_payload(mask, value, heard)
        frame = busframe.encode(busframe.BROADCAST_ADDRESS, busframe.CALL, sequence, payload)
        answers: list[tuple[int, int]] = []
        deframer = self._port.deframer
        rejected = deframer.rejected
        self._calling = (sequence, answers)
        try:
            self._port.send(frame)
            await asyncio.sleep(
                self._line_time(len(frame)) + window_s + self._line_time(_CALL_REPLY_BYTES)
            )
        finally:
            self._calling = None
        return Called(answers, deframer.rejected > rejected or deframer.pending)

    async def _await_reply(
        self, reply: asyncio.Future[bytes], sent: float, size: int, patience_s: float
    ) -> bytes:
        begins_by = sent + self._line_time(size) + self._reply_timeout + patience_s
        ends_by = begins_by + self._line_time(busframe.line_bytes(busframe.MAX_PAYLOAD))
        until = begins_by
        while True:
            await asyncio.wait([reply], timeout=max(0.0, until - time.monotonic()))
            if reply.done():
                return reply.result()
            now = time.monotonic()
            # Bytes are coming in: this is a long reply, not a silent lamppost.
            talking = self._port.heard > sent and now - self._port.heard < _GAP_S
            if not talking or now >= ends_by:
                self.timeouts += 1
                self._port.take_back()
                raise NoReply("no reply in time")
            until = min(now + _GAP_S, ends_by)

    def _on_frame(self, frame: Frame) -> None:
        address, control, sequence, payload = frame
        if control == busframe.CALL_REPLY:
            self._on_called(address, sequence, payload)
            return
        if control != busframe.RESPONSE:
            # Our own request, heard back on a half-duplex line without echo suppression.
            return
        if self._wanted == (address, sequence) and self._reply is not None:
            if not self._reply.done():
                self._reply.set_result(payload)
        else:
            self.unexpected += 1

    def _on_called(self, address: int, sequence: int, payload: bytes) -> None:
        if self._calling is None or sequence != self._calling[0] or len(payload) != 1:
            self.unexpected += 1
        elif busframe.FIRST_ADDRESS <= address <= busframe.LAST_ADDRESS:
            self._calling[1].append((address, payload[0]))

    def _line_time(self, size: int) -> float:
        return size * _BITS_PER_BYTE / self._port.baud

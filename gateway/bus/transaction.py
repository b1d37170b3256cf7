"""Request and reply on the line: one at a time, matched by address and sequence.

Beside them a broadcast, which nobody answers, and a call, which anybody may.
"""

from __future__ import annotations

import asyncio
import time

from gateway.bus.exchange import Called, Exchange
from gateway.bus.port import Frame, Port
from gateway.bus.silence import Silence
from gateway.bus.suspicion import Suspicions
from gateway.errors import LinkUnavailable, NoReply
from protocol import busframe

# A reply that has begun arrives without longer pauses than this, USB adapters' 16 ms included.
_GAP_S = 0.05
_BITS_PER_BYTE = 10  # 8N1
# What is not on the line long after it should be never will be.
_DRAIN_STEP_S = 0.002
_CALL_REPLY_BYTES = busframe.line_bytes(1)
# Somebody who is in the middle of a frame is let finish: until nothing came for this long (s),
_QUIET_S = 0.02
# and no longer than this.
_QUIET_MOST_S = 0.25


class Line:
    """Exchanges frames through `port`; whoever calls holds the line's turn.

    reply_timeout_s: how long a lamppost may take to begin its answer.

    Counted since the start: `requests`; `timeouts`, requests without answer, of which `garbled`
    had one that could not be understood; `unexpected`, frames nobody waits for: late replies, a
    second lamppost at one address, a second master; of these `strays` by address; `echoes`, our
    own frames heard back.
    """

    def __init__(self, port: Port, reply_timeout_s: float) -> None:
        self._port = port
        self.reply_timeout_s = reply_timeout_s
        self._sequence = 0
        self._exchange: Exchange | None = None
        # Address and sequence of the last request that was answered and made once only.
        self._answered: tuple[int, int] | None = None
        # Address and sequence of what was last said.
        self._said: tuple[int, int] | None = None
        # Sequence of the call under way, and what was answered to it.
        self._calling: tuple[int, list[tuple[int, int]]] | None = None
        self.silence = Silence()
        self.suspicions = Suspicions()
        port.on_frame = self._on_frame
        port.on_garbled = self._on_garbled
        port.on_lost = self._on_lost
        self.requests = 0
        self.timeouts = 0
        self.garbled = 0
        self.unexpected = 0
        self.strays: dict[int, int] = {}
        self.echoes = 0

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
        exchange = await self._ask(address, sequence, payload, patience_s)
        try:
            reply = await exchange.reply
        except NoReply:
            self.suspicions.ended(address, "garbled" if exchange.garbled else "silent")
            raise
        finally:
            self._end(exchange)
        self._answered = None if exchange.repeated else (address, sequence)
        self.suspicions.ended(address, "clean")
        return reply

    async def gather(self, address: int, payload: bytes) -> tuple[list[bytes], bool]:
        """Send a request and give every answer to it, and whether something garbled came as well.

        Takes as long as a lamppost may take to answer. Raises LinkUnavailable.
        """
        exchange = await self._ask(address, self.next_sequence(), payload, 0)
        exchange.all = []
        exchange.hurried = False
        try:
            await exchange.reply
        except NoReply:
            return exchange.all, exchange.garbled
        finally:
            self._end(exchange)
        return exchange.all, exchange.garbled

    async def broadcast(self, payload: bytes, times: int) -> None:
        """Say `payload` to all, `times` times over in the same bytes; back when it has been said.

        Raises LinkUnavailable when it does not get on to the line, ProtocolError (too long).
        """
        sequence = self.next_sequence()
        frame = busframe.encode(busframe.BROADCAST_ADDRESS, busframe.BROADCAST, sequence, payload)
        self.requests += 1
        self._said = (busframe.BROADCAST_ADDRESS, sequence)
        self._port.send(frame * times)
        until = time.monotonic() + self._line_time(times * len(frame)) + self.reply_timeout_s
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
        if deframer.pending:
            deframer.feed(b"\0")  # what was garbled before is not this call's
        rejected = deframer.rejected
        self._calling = (sequence, answers)
        self._said = (busframe.BROADCAST_ADDRESS, sequence)
        try:
            self._port.send(frame)
            await asyncio.sleep(
                self._line_time(len(frame)) + window_s + self._line_time(_CALL_REPLY_BYTES)
            )
        finally:
            self._calling = None
        return Called(answers, deframer.rejected > rejected or deframer.pending)

    async def _ask(
        self, address: int, sequence: int, payload: bytes, patience_s: float
    ) -> Exchange:
        frame = busframe.encode(address, busframe.REQUEST, sequence, payload)
        if self._port.deframer.pending:
            await self._quiet()
        loop = asyncio.get_running_loop()
        sent = time.monotonic()
        begins_by = sent + self._line_time(len(frame)) + self.reply_timeout_s + patience_s
        ends_by = begins_by + self._line_time(busframe.line_bytes(busframe.MAX_PAYLOAD))
        repeated = self._said == (address, sequence)
        reply: asyncio.Future[bytes] = loop.create_future()
        exchange = Exchange(address, sequence, reply, sent, begins_by, ends_by, repeated)
        # One that works may answer late, and is then not to be talked over.
        exchange.hurried = not patience_s
        self.requests += 1
        self._port.send(frame)
        self._exchange = exchange
        self._said = (address, sequence)
        exchange.timer = loop.call_at(begins_by, self._waited, exchange)
        return exchange

    def _end(self, exchange: Exchange) -> None:
        self._exchange = None
        if exchange.timer is not None:
            exchange.timer.cancel()

    async def _quiet(self) -> None:
        """Wait until nobody is in the middle of a frame."""
        until = time.monotonic() + _QUIET_MOST_S
        while (now := time.monotonic()) - self._port.heard < _QUIET_S:
            if now >= until:
                raise LinkUnavailable("somebody fills the line: it is never quiet")
            await asyncio.sleep(self._port.heard + _QUIET_S - now)
            if not self._port.deframer.pending:
                return

    def _waited(self, exchange: Exchange) -> None:
        """The time for a reply is over, unless one is coming in."""
        if exchange.reply.done():
            return
        now = time.monotonic()
        ends = self._port.heard + _GAP_S
        if self._port.heard > exchange.sent and now < ends and now < exchange.ends_by:
            # Bytes are coming in: this is a long reply, not a silent lamppost.
            self._wait_until(exchange, min(ends, exchange.ends_by))
            return
        exchange.garbled = exchange.garbled or self._port.deframer.pending
        stuck = self._port.take_back()
        if exchange.all is None:
            self.timeouts += 1
            self.garbled += exchange.garbled
            if self.silence.unanswered(now) and not stuck:
                self._port.open_again(f"no answer to {self.silence.requests} requests in a row")
        exchange.reply.set_exception(NoReply("no reply in time"))

    def _wait_until(self, exchange: Exchange, until: float) -> None:
        if exchange.timer is not None:
            exchange.timer.cancel()
        exchange.timer = asyncio.get_running_loop().call_at(until, self._waited, exchange)

    def _on_frame(self, frame: Frame) -> None:
        address, control, sequence, payload = frame
        exchange = self._exchange
        if control == busframe.CALL_REPLY:
            self._on_called(address, sequence, payload)
        elif control != busframe.RESPONSE:
            if self._said == (address, sequence):
                # Our own words, heard back on a half-duplex line without echo suppression.
                self.echoes += 1
                self._port.babble.meant(busframe.line_bytes(len(payload)))
            else:
                self._stray(address)  # another master
        elif exchange is not None and (exchange.address, exchange.sequence) == (address, sequence):
            self._port.babble.meant(busframe.line_bytes(len(payload)))
            self.silence.answered()
            if exchange.all is not None:
                exchange.all.append(payload)
            elif not exchange.reply.done():
                exchange.reply.set_result(payload)
            elif not exchange.repeated:
                self.suspicions.second(address)
        else:
            self._stray(address)
            if self._answered == (address, sequence):
                self.suspicions.second(address)

    def _stray(self, address: int) -> None:
        self.unexpected += 1
        self.strays[address] = self.strays.get(address, 0) + 1

    def _on_called(self, address: int, sequence: int, payload: bytes) -> None:
        if self._calling is None or sequence != self._calling[0] or len(payload) != 1:
            self._stray(address)
        elif busframe.FIRST_ADDRESS <= address <= busframe.LAST_ADDRESS:
            self._port.babble.meant(busframe.line_bytes(1))
            self._calling[1].append((address, payload[0]))

    def _on_garbled(self) -> None:
        exchange = self._exchange
        if exchange is None or exchange.reply.done():
            return
        exchange.garbled = True
        if exchange.hurried and not self.echoes:
            # That was the reply: no other is waited for, unless more comes without a pause.
            self._wait_until(exchange, min(time.monotonic() + _GAP_S, exchange.begins_by))

    def _on_lost(self) -> None:
        exchange = self._exchange
        if exchange is not None and not exchange.reply.done():
            exchange.reply.set_exception(LinkUnavailable("the port has gone"))

    def _line_time(self, size: int) -> float:
        return size * _BITS_PER_BYTE / self._port.baud

"""Bytes on an RS-485 line, and answers of whoever sits on it."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.adoption.unknown import MOST, UnknownLampposts
from gateway.alarms import Alarms
from gateway.bus.exchange import Called
from gateway.bus.identities import Identities
from gateway.bus.port import Port
from gateway.bus.transaction import Line
from gateway.errors import LinkUnavailable, NoReply
from gateway.groups.calls import MOST_CALLS, Caller
from gateway.lampposts.turns import Turns
from protocol import busframe, messages, smp
from tests.fuzz.data import Data, as_cbor
from tests.fuzz.harness import NODE, clock, run, silent, stopped

_ADDRESSES = 256
_CONTROLS = (
    busframe.REQUEST, busframe.BROADCAST, busframe.CALL, busframe.RESPONSE, busframe.CALL_REPLY,
)  # fmt: skip


class _Wire:
    """The transport of a port."""

    serial = None

    def __init__(self) -> None:
        self.said = b""

    def write(self, data: bytes) -> None:
        self.said = data

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def flush(self) -> None: ...

    def abort(self) -> None: ...


class BusLine:
    """Port, deframer and line: whatever comes in, while a request or a call is under way."""

    def __init__(self) -> None:
        self.port = Port("/dev/null", 115_200, False, silent())
        self.wire = _Wire()
        self.port._transport = self.wire  # type: ignore[assignment]
        self.port.opened.set()
        self.line = Line(self.port, 0.001)

    def feed(self, data: bytes) -> None:
        run(self._feed(Data(data)))

    async def _feed(self, data: Data) -> None:
        under_way: asyncio.Task[Any] | None = None
        asked = (1, 1)
        while data.more:
            match data.below(6):
                case 0:
                    self.port.data_received(data.bytes(1400))
                case 1 | 2:
                    address, sequence = asked
                    if data.chance():
                        address, sequence = data.below(256), data.below(256)
                    frame = busframe.encode(
                        address, data.pick(_CONTROLS), sequence, data.bytes(1200)
                    )
                    self.port.data_received(data.damaged(frame) if data.chance() else frame)
                case 3 if under_way is None:
                    asked = (data.below(247) + 1, self.line.next_sequence())
                    under_way = asyncio.ensure_future(self.line.transact(*asked, b"?"))
                case 4 if under_way is None:
                    under_way = asyncio.ensure_future(self.line.call(0, 0, b"", 0))
                    asked = (data.below(247) + 1, self.line._sequence + 1 & 0xFF)
                case _:
                    self.line.suspicions.take(float(data.number()))
            await asyncio.sleep(0)
            if under_way is not None and under_way.done():
                await self._ended(under_way)
                under_way = None
        if under_way is not None:
            await stopped(under_way)
        self.port.data_received(b"\0")
        await self._still_works()

    async def _ended(self, task: asyncio.Task[Any]) -> None:
        try:
            await task
        except (NoReply, LinkUnavailable):
            return

    async def _still_works(self) -> None:
        sequence = self.line.next_sequence()
        asking = asyncio.ensure_future(self.line.transact(7, sequence, b"?", 5))
        await asyncio.sleep(0)
        self.port.data_received(busframe.encode(7, busframe.RESPONSE, sequence, b"!"))
        assert await asking == b"!"

    def sizes(self) -> dict[str, tuple[int, int]]:
        signs = self.line.suspicions
        return {
            "pending": (len(self.port.deframer._pending), busframe._MAX_STUFFED),
            "strays": (len(self.line.strays), _ADDRESSES),
            "outcomes": (len(signs._outcomes), _ADDRESSES),
            "seconds": (len(signs._seconds), _ADDRESSES),
            "rests": (len(signs._not_before), _ADDRESSES),
        }


class WhoIsThere:
    """Unsealed answers to "who are you": shown to a person, believed by nobody."""

    def __init__(self) -> None:
        self.alarms = Alarms(clock(), silent())
        self.unknown = UnknownLampposts(clock(), lambda node: node == NODE)
        self.identities = Identities(
            "north", self, Turns(), 1.0, self.alarms, self.unknown, silent()  # type: ignore[arg-type]
        )  # fmt: skip
        self.identities.expected = {1: NODE}
        self._data = Data(b"")

    def feed(self, data: bytes) -> None:
        self._data = Data(data)
        run(self._feed())

    async def _feed(self) -> None:
        for _ in range(3):
            if self._data.chance():
                await self.identities.look_into(self._data.below(247) + 1)
            else:
                await self.identities._search()
        assert self.identities.expected == {1: NODE}
        for alarm in self.alarms.raised:
            assert len(alarm.text) <= 300

    async def gather(self, address: int, payload: bytes) -> tuple[list[bytes], bool]:
        return [self._answer() for _ in range(self._data.below(4))], self._data.chance()

    def _answer(self) -> bytes:
        data = self._data
        if data.below(4) == 0:
            return data.bytes()
        right = messages.identify_reply(data.bytes(6).ljust(6, b"\1"), "board", "1.0.0", 1)
        body = right if data.below(3) else {**right, **data.map(tuple(right))}
        raw = as_cbor(body)
        head = smp.pack_header(
            smp.OP_READ_RSP, smp.GROUP_STREET, 0, messages.IDENTIFY, min(len(raw), 0xFFFF)
        )
        return data.damaged(head + raw) if data.chance() else head + raw

    def sizes(self) -> dict[str, tuple[int, int]]:
        return {
            "duplicates": (len(self.identities.duplicates), _ADDRESSES),
            "strangers": (len(self.identities.strangers), _ADDRESSES),
            "unknown": (len(self.unknown._known), MOST),
            # Room is left for what else a person has to see to.
            "alarms": (len(self.alarms.raised), 25),
        }


class Calls:
    """Whoever answers a call for all: a round ends, and its answers are addresses."""

    def __init__(self) -> None:
        self._data = Data(b"")
        self.caller = Caller(self._call, self._news)
        self._made = 0

    def feed(self, data: bytes) -> None:
        self._data, self._made = Data(data), 0
        done = run(self.caller.round())
        assert done.calls == self._made <= MOST_CALLS

    async def _call(self, mask: int, value: int, heard: bytes) -> Called:
        self._made += 1
        assert 0 <= mask <= 255
        assert value & mask == value
        assert len(heard) <= 256
        busframe.call_payload(mask, value, heard)
        answers = [
            (self._data.below(247) + 1, self._data.below(256)) for _ in range(self._data.below(300))
        ]
        return Called(answers, self._data.chance())

    async def _news(self, answers: list[tuple[int, int]], last: bool) -> None: ...

    def sizes(self) -> dict[str, tuple[int, int]]:
        return {"heard": (len(self.caller._heard), _ADDRESSES)}

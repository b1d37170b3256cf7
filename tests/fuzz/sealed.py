"""The conversation with a lamppost: answered by a stranger, and by one who has its key."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from gateway.buffer.groupkeys import GroupKey
from gateway.buffer.records import Position
from gateway.errors import GatewayError, NoReply
from gateway.groups.keys import GroupKeys
from gateway.lampposts import management, multicast, readings
from gateway.lampposts.channel import LinkKind
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.route import Route
from gateway.lampposts.session import MOST_JUMPED_PER_HOUR, Session
from gateway.lampposts.turns import Traffic
from gateway.lan.giving import lan_state
from protocol import cbor, envelope, keyring, messages, smp
from protocol import multicast as wire
from protocol.busframe import MAX_PAYLOAD
from protocol.errors import ProtocolError
from tests.fuzz.data import Data, as_cbor
from tests.fuzz.harness import KEY, NODE, OTHER, run, silent

_FIRST_FLOOR = (1 << 38) + (1 << 30)
_COUNT = 40  # chunks of a multicast
_IMAGE = bytes(600)
_GROUP = GroupKey(200, bytes(16))
_STATUS: dict[str, Any] = {
    "id": NODE, "b": "esp32s3-ref", "v": "1.0.0", "sl": 0, "h": bytes(32), "cf": True, "sc": 1,
    "cv": 0, "ch": bytes(8), "l": 40, "q": 0, "ep": 3, "hs": 9, "up": 5, "tm": 0, "us": 0,
    "uo": 0, "ur": "", "rs": 0, "ov": 0, "g": 0, "lk": 1, "lw": "", "sm": False,
}  # fmt: skip
_BODIES: tuple[dict[str, Any], ...] = (
    _STATUS,
    {"e": 3, "s": 0, "r": [], "b": 0, "g": 0, "l": 40, "p": 1},
    {"e": 3, "s": 2**32 - 2, "r": [b"\x83\1\2\3", b"\xff"], "b": 9, "g": 0, "l": 40},
    {"images": [{"slot": 0, "version": "1", "hash": bytes(32), "active": True, "confirmed": True}]},
    {"images": []},
    {"l": 40, "r": 1, "s": 3, "w": 5, "why": 5, "t": 9},
    {"val": b"\x05"},
    messages.links_reply(1, "", [(1, True, 5, 0, 0, -50, "")]),
    keyring.keys_reply(0, [(1, 5), (200, 1 << 39)]),
    keyring.keys_reply(0, [(200, 7)]),
    wire.state_reply(wire.RECEIVING, _COUNT, 0, b"\xff" * 5),
    {"off": 100},
    {"off": len(_IMAGE), "match": True},
    {"buf_size": 1200, "buf_count": 1},
    smp.error(smp.GROUP_STREET, smp.STREET_ERR_INVALID),
    {"rc": 3, "rsn": "no"},
)
_KEYS = (*tuple(dict.fromkeys(key for body in _BODIES for key in body)), "err", "m", "c", "header")


class Reservations:
    """Counters as the disk gives them out."""

    def __init__(self) -> None:
        self.end = 0

    async def reserve_counters(self, node: bytes, at_least: int, block: int) -> tuple[int, int]:
        first = max(self.end, at_least)
        assert first < 1 << 62, "the database's integers"
        self.end = first + block
        return first, self.end


class Answers:
    """The channel to a lamppost, on which `data` decides what comes back.

    insider: whether it may have the key. `believable` counts replies that the key was used for.
    """

    kind: LinkKind = "bus"
    mtu = MAX_PAYLOAD
    available = True

    def __init__(self, *, insider: bool) -> None:
        self.data = Data(b"")
        self.honest = False
        self.believable = 0
        self.asked = 0
        self._insider = insider
        self._before: list[bytes] = []

    @asynccontextmanager
    async def turn(self, traffic: Traffic) -> AsyncGenerator[None]:
        yield

    async def exchange(
        self, message: bytes, *, attempts: int | None = None, patience_s: float = 0
    ) -> tuple[bytes, bool]:
        self.asked += 1
        assert len(message) <= self.mtu
        if self.honest:
            return self._seal(message, self._answer(message, _STATUS)), False
        if not self.data.more:
            raise NoReply("there is no more")
        return self._any(message), self.data.chance()

    def _any(self, message: bytes) -> bytes:
        data = self.data
        kind = data.below(12)
        if kind >= 8 and self._insider:
            self.believable += 1
            return self._seal(message, self._inner(message))
        before = self._before
        right = self._seal(message, self._answer(message, _STATUS))
        match kind:
            case 0:
                return data.bytes(1200)
            case 1:
                return _outer(as_cbor(data.map(_KEYS)))
            case 2:
                return self._seal(message, self._inner(message), key=bytes(16))
            case 3:
                return data.pick(before) if before else b""
            case 4:
                refusal = smp.error(smp.GROUP_STREET, smp.STREET_ERR_REPLAY)
                return _outer(as_cbor({**refusal, "c": data.value()}))
            case 5:
                group, code = data.pick((0, 1, 3, 64)), data.below(16)
                return _outer(as_cbor({**smp.error(group, code), "rsn": data.value()}))
            case 6:
                inner = self._inner(message)
                return data.pick(
                    (
                        self._seal(message, inner, direction=envelope.TO_NODE),
                        self._seal(message, inner, node=OTHER),
                        self._seal(message, inner, ahead=1),
                        message,
                    )
                )
            case 7:
                raise NoReply("silent")
            case _:
                damaged = data.damaged(right)
                # What is around a seal may be changed: it says nothing.
                self.believable += _opens(damaged)
                return damaged

    def _inner(self, message: bytes) -> bytes:
        """What whoever has the key may say."""
        data = self.data
        right = data.pick(_BODIES)
        body = {**right, **data.map(_KEYS)} if data.chance() else right
        inner = self._answer(message, None, as_cbor(body))
        return data.damaged(inner) if data.below(4) == 0 else inner

    def _answer(self, message: bytes, body: dict[str, Any] | None, raw: bytes = b"") -> bytes:
        op, group, sequence, command = self._asked(message)[:4]
        raw = cbor.dumps(body) if body is not None else raw
        return smp.pack_header(op + 1, group, sequence, command, min(len(raw), 0xFFFF)) + raw

    def _asked(self, message: bytes) -> tuple[int, ...]:
        try:
            plain = self._opened(message)[0]
        except LookupError:
            plain = message
        return smp.unpack_header(plain)

    def _opened(self, message: bytes) -> tuple[bytes, int]:
        _, group, _, command, body = smp.unpack(message)
        if (group, command) != (smp.GROUP_STREET, messages.SEALED):
            raise LookupError("not sealed")
        found, _, counter = envelope.open_sealed(
            {1: KEY}, NODE, envelope.TO_NODE, messages.parse_sealed(body)
        )
        return found, counter

    def _seal(
        self,
        message: bytes,
        inner: bytes,
        *,
        key: bytes = KEY,
        node: bytes = NODE,
        direction: int = envelope.FROM_NODE,
        ahead: int = 0,
    ) -> bytes:
        try:
            counter = self._opened(message)[1]
        except LookupError:
            return inner
        made = _outer(
            cbor.dumps(
                messages.sealed(envelope.seal(key, 1, node, direction, counter + ahead, inner))
            )
        )
        if key == KEY:
            self._before = [*self._before[-7:], made]
        return made


def _opens(message: bytes) -> bool:
    try:
        data = messages.parse_sealed(smp.unpack(message)[4])
        envelope.open_sealed({1: KEY}, NODE, envelope.FROM_NODE, data)
    except ProtocolError:
        return False
    return True


def _outer(raw: bytes) -> bytes:
    head = smp.pack_header(
        smp.OP_WRITE_RSP, smp.GROUP_STREET, 0, messages.SEALED, min(len(raw), 0xFFFF)
    )
    return head + raw


class _Store:
    """Group keys as the disk gives them out."""

    async def current(self, bus: str, nodes: list[bytes]) -> tuple[GroupKey, bool]:
        return _GROUP, False

    async def given(self, bus: str, node: bytes) -> None: ...


class Sealed:
    """Every request by name, answered by a stranger (`insider` false) or by whoever has the key."""

    def __init__(self, *, insider: bool = False) -> None:
        self.answers = Answers(insider=insider)
        self.reservations = Reservations()
        self.session = Session(
            NODE, KEY, 1, Route([self.answers]), cast(Any, self.reservations), silent()
        )
        self.lamppost = Lamppost(NODE, "1", self.session, silent())
        self.keys = GroupKeys("north", [self.lamppost], cast(Any, _Store()), silent())
        self._requests: tuple[Callable[[], Awaitable[object]], ...] = (
            self._status, self._readings, self._upload, self._install,
            lambda: management.images(self.lamppost),
            lambda: management.lamp_override(self.lamppost),
            lambda: management.lamp_groups(self.lamppost),
            lambda: lan_state(self.lamppost),
            lambda: management.reset(self.lamppost),
        )  # fmt: skip

    def feed(self, data: bytes) -> None:
        run(self._feed(Data(data)))

    async def _feed(self, data: Data) -> None:
        self.answers.data = data
        await self.keys.load()
        for _ in range(4):
            before, highest = self.answers.believable, self.session._counter
            if data.below(5) == 0:
                await self._unsealed()
                continue
            request = data.pick(self._requests)
            try:
                await request()
            except GatewayError as error:
                str(error)
            else:
                assert self.answers.believable > before, f"believed without the key: {request}"
            most = max(_FIRST_FLOOR, highest + MOST_JUMPED_PER_HOUR) + self.answers.asked
            assert self.session._counter <= most, "counters used up"
        if not self.answers.believable:
            assert self.lamppost.facts is None
            assert self.lamppost.link == "silent"
            assert self.keys._counter == 0
        self.answers.honest = True
        assert (await management.status(self.lamppost))["level"] == 40
        self.answers.honest = False

    async def _status(self) -> None:
        facts = await management.status(self.lamppost)
        self.lamppost.heard(1)
        self.lamppost.take_facts(facts, 1.0)
        json.dumps(self.lamppost.facts)
        self.lamppost.reason_text()

    async def _readings(self) -> None:
        asked = Position(self.answers.data.below(5), self.answers.data.below(5))
        message = management.readings(*asked, 1024, None, None)
        body = await self.session.ask(message, Traffic.POLL)
        reply = readings.batch_of(NODE, asked, body)
        if reply.batch is not None:
            assert reply.batch.next > asked
            assert reply.batch.start == asked
            kept = [*reply.batch.records, *((bad.seq, bad.body) for bad in reply.batch.rejected)]
            assert all(0 <= seq <= 0xFFFFFFFF and len(body) <= 256 for seq, body in kept)

    async def _upload(self) -> None:
        upload = management.Upload(self.lamppost, _IMAGE)
        await upload.run(lambda: None)
        assert upload.offset == len(_IMAGE)

    async def _install(self) -> None:
        self.lamppost.facts, self.lamppost.facts_at = {"epoch": 1}, 1.0
        try:
            await self.keys.install(self.lamppost)
        finally:
            self.lamppost.facts = None
        assert self.keys._counter <= envelope.MAX_COUNTER >> 1

    async def _unsealed(self) -> None:
        asked = self.answers.asked
        try:
            has = await multicast.has(self.lamppost, bytes(8), _COUNT)
        except GatewayError:
            return
        assert all(0 <= index < _COUNT for index in has.missing)
        assert self.answers.asked - asked <= 1 + _COUNT // wire.WINDOW

    def sizes(self) -> dict[str, tuple[int, int]]:
        return {"has the group key": (len(self.keys._has), 1)}


class Insider(Sealed):
    """Whoever has taken a lamppost apart and has its key."""

    def __init__(self) -> None:
        super().__init__(insider=True)

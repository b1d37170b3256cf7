"""A bus with many lampposts in a time of its own: what takes how long on the line, to the byte.

The gateway's own classes talk over `simulators.bus` to lampposts that are as little as a bus can
tell: they answer polls, calls (by the firmware's own code) and hear broadcasts. Nothing waits for
the clock of the machine: time goes on to the next thing that happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import selectors
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar, cast
from unittest import mock

from firmware.node.links.bus import BusLink
from gateway.buffer.groupkeys import GroupKey
from gateway.bus.babble import Babble
from gateway.bus.transaction import Line
from gateway.config.presence import PresenceSection
from gateway.errors import NoReply
from gateway.groups.broadcast import Broadcaster
from gateway.groups.escort import Escort
from gateway.groups.keys import GroupKeys
from gateway.groups.watch import Watch
from gateway.groups.waves import Habits, Pole, Waves
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Traffic, Turns
from gateway.logs import get
from protocol import busframe, envelope, messages, smp
from protocol.busframe import Deframer
from simulators.bus import Bus

T = TypeVar("T")
GROUP_KEY = bytes(range(16))
# A poll with nothing new, sealed, and its answer; an answer full of records.
POLL_BYTES, IDLE_BYTES, FULL_BYTES = 78, 96, 1150


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in a time that only goes on when there is nothing left to do."""
    clock = _Clock()
    with mock.patch("time.monotonic", clock):
        loop = asyncio.SelectorEventLoop(_Selector(clock))
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(main)


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class _Selector(selectors.SelectSelector):
    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # Never quite still: who waits for a moment that rounding puts off would wait for ever.
        self._clock.now += 1e-7
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing will ever happen again")
        if not ready and timeout is not None and timeout > 0:
            self._clock.now += timeout
        return ready


class LinePort:
    """The gateway's port on `bus`, without a device in between."""

    def __init__(self, bus: Bus) -> None:
        self.baud = bus.baud
        self.deframer = Deframer()
        self.on_frame: Callable[[tuple[int, int, int, bytes]], None] | None = None
        self.on_garbled: Callable[[], None] = lambda: None
        self.on_lost: Callable[[], None] = lambda: None
        self.babble = Babble(bus.baud)
        self.heard = 0.0
        self.opened = asyncio.Event()
        self.opened.set()
        self._port = bus.join(self._deliver)

    @property
    def unsent(self) -> int:
        return int(time.monotonic() < self._port.busy_until - 1e-9)

    def send(self, data: bytes) -> None:
        self._port.transmit(data)

    def take_back(self) -> bool:
        return False

    def open_again(self, why: str) -> None:
        raise AssertionError(f"nothing is wrong with this port: {why}")

    def _deliver(self, data: bytes) -> None:
        self.heard = time.monotonic()
        self.babble.heard(len(data))
        rejected = self.deframer.rejected
        for frame in self.deframer.feed(data):
            if self.on_frame is not None:
                self.on_frame(frame)
        if self.deframer.rejected != rejected:
            self.on_garbled()


class Post(BusLink):
    """One lamppost: answers calls by the firmware's code, and keeps when it was told what."""

    def __init__(self, transmit: Callable[[bytes], None], address: int) -> None:
        self._uart: Any = SimpleNamespace(write=transmit)
        self._address = address
        self._lamp: Any = SimpleNamespace(sightings=0)
        self._heard = self._said = 0
        self.answered = self.failed = 0
        self.free_at = 0.0
        self.told: list[tuple[float, int]] = []  # machine time, seconds
        self.commanded: list[float] = []
        self.silent = False

    def sees(self) -> None:
        """Its sensor sees somebody."""
        self._lamp.sightings += 1

    @property
    def has_news(self) -> bool:
        return self._lamp.sightings & 0xFF != self._heard

    def called(self, sequence: int, payload: bytes, late: bool) -> None:
        self._called(sequence, payload, late)


class Posts:
    """Lampposts at `addresses` of `bus`; `latency()` is how long one takes to turn to a frame."""

    def __init__(self, bus: Bus, addresses: range, latency: Callable[[], float]) -> None:
        self._latency = latency
        self._deframer = Deframer()
        self._heard = 0
        self._loop = asyncio.get_running_loop()
        bus.join(self._hear)  # all hear the same, so one ear does for all
        self.posts = {address: self._post(bus, address) for address in addresses}
        self.reply_bytes = IDLE_BYTES
        self.think_s = 0.02  # until a sealed request is answered
        self.calls: list[tuple[int, int]] = []
        self.broadcasts = 0
        self._highest = -1

    def _post(self, bus: Bus, address: int) -> Post:
        port = bus.join(lambda data: None)
        return Post(port.transmit, address)

    def _hear(self, data: bytes) -> None:
        self._heard += len(data)
        for address, control, sequence, payload in self._deframer.feed(data):
            if control == busframe.CALL:
                self.calls.append((payload[0], payload[1]))
                for post in self.posts.values():
                    self._call(post, sequence, payload)
            elif control == busframe.BROADCAST:
                self._broadcast(payload)
            elif control == busframe.REQUEST and address in self.posts:
                self._answer(self.posts[address], sequence)

    def _call(self, post: Post, sequence: int, payload: bytes) -> None:
        if post.silent:
            return
        if not post.has_news:
            post.called(sequence, payload, True)
            return
        before = self._heard
        post.free_at = max(post.free_at, self._loop.time() + self._latency())
        self._loop.call_at(
            post.free_at, lambda: post.called(sequence, payload, self._heard > before)
        )

    def _answer(self, post: Post, sequence: int) -> None:
        if post.silent:
            return
        reply = busframe.encode(
            post._address,
            busframe.RESPONSE,
            sequence,
            bytes(self.reply_bytes),  # pyright: ignore
        )
        write = post._uart.write  # pyright: ignore[reportPrivateUsage]
        self._loop.call_later(self._latency() + self.think_s, write, reply)

    def _broadcast(self, payload: bytes) -> None:
        data = messages.parse_sealed(smp.unpack(payload)[4])
        keys = dict.fromkeys(range(200, 208), GROUP_KEY)
        inner, _, counter = envelope.open_sealed(
            keys, envelope.BROADCAST_ID, envelope.TO_NODE, data
        )
        if counter <= self._highest:
            return
        self._highest = counter
        self.broadcasts += 1
        _, _, _, command, body = smp.unpack(inner)
        for address, post in self.posts.items():
            at = self._loop.time() + self._latency()
            if command == messages.PRESENCE:
                seconds, addresses = messages.parse_presence_request(body)
                if address in addresses:
                    post.told.append((at, seconds))
            else:
                post.commanded.append(at)


class KeyStore:
    """A group key and its counters, in memory."""

    def __init__(self) -> None:
        self.reserved = 0

    async def current(self, bus: str, nodes: object) -> tuple[GroupKey, bool]:
        return GroupKey(200, GROUP_KEY), False

    async def given(self, bus: str, node: bytes) -> None:
        return

    async def reserve(self, bus: str, at_least: int, block: int) -> tuple[int, int]:
        first = max(at_least, self.reserved)
        self.reserved = first + block
        return first, self.reserved


def esp32(seed: int) -> Callable[[], float]:
    """How long an ESP32 takes to turn to a frame, s; estimated, nobody has measured it.

    Its port tells after ten characters' time of silence; MicroPython looks at it once a tick of
    10 ms (CONFIG_FREERTOS_HZ is 100); then some interpreted steps. Now and then another task or a
    garbage collection is in the way.
    """
    chance = random.Random(seed)
    return lambda: (
        0.0009 + chance.uniform(0, 0.01) + 0.002 + (0.02 if chance.random() < 0.01 else 0.0)
    )


class Street:
    """Buses of one street in a row, each with its gateway side; to be made in a running loop."""

    def __init__(
        self,
        sizes: tuple[int, ...] = (128,),
        section: PresenceSection | None = None,
        habits: Habits | None = None,
        seed: int = 1,
        baud: int = 115_200,
        bit_error_rate: float = 0.0,
        latency: Callable[[], float] | None = None,
    ) -> None:
        section = section or PresenceSection.model_validate({})
        self.lampposts: dict[bytes, Lamppost] = {}
        self.posts: dict[bytes, Post] = {}
        self.buses: dict[str, Posts] = {}
        self.lines: dict[str, Bus] = {}
        self.broadcasters: dict[str, Broadcaster] = {}
        poles: list[Pole] = []
        for number, size in enumerate(sizes):
            name = f"bus{number}"
            line = Bus(baud, bit_error_rate, seed + number)
            posts = Posts(line, range(1, size + 1), latency or esp32(seed + number))
            mine = [_lamppost(number, name, address) for address in range(1, size + 1)]
            keys = GroupKeys(name, mine, cast("Any", KeyStore()), get())
            port = Line(cast("Any", LinePort(line)), 0.25)
            self.lines[name], self.buses[name] = line, posts
            self.broadcasters[name] = Broadcaster(port, Turns(), keys)
            for post in mine:
                assert post.address is not None
                self.lampposts[post.node] = post
                self.posts[post.node] = posts.posts[post.address]
                poles.append(Pole(post.node, 30.0 * len(poles)))
        self.nodes = [pole.node for pole in poles]
        waves = Waves({"street": poles}, habits or Habits())
        self.escort = Escort(waves, self.lampposts, self.broadcasters, get())
        self.watches = [
            Watch(name, [one for one in self.lampposts.values() if one.bus == name],
                  self.broadcasters[name], self.escort, section, lambda: self.wanted)
            for name in self.broadcasters
        ]  # fmt: skip
        self.wanted = True
        self.polls = 0

    @contextlib.asynccontextmanager
    async def alive(self) -> AsyncGenerator[Street]:
        """With calls, waves and polls of one lamppost after the other, without a pause."""
        for broadcaster in self.broadcasters.values():
            await broadcaster.keys.load()
        tasks = [asyncio.create_task(watch.run()) for watch in self.watches]
        tasks += [asyncio.create_task(self.escort.run(name)) for name in self.broadcasters]
        tasks += [asyncio.create_task(self._poll(name)) for name in self.broadcasters]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    raise outcome

    async def _poll(self, name: str) -> None:
        broadcaster = self.broadcasters[name]
        line = broadcaster.line
        while True:
            for address in self.buses[name].posts:
                async with broadcaster.turns.take(Traffic.POLL):
                    with contextlib.suppress(NoReply):
                        await line.transact(address, line.next_sequence(), bytes(POLL_BYTES))
                        self.polls += 1


def _lamppost(bus: int, name: str, address: int) -> Lamppost:
    node = bytes((0xA0, 0xB1, 0xC2, 0xD3, bus, address))
    lamppost = Lamppost(node, f"{name} {address}", cast("Any", None), get(), name, address)
    lamppost.link, lamppost.level, lamppost.sightings = "up", 60, 1
    return lamppost

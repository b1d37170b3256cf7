"""Who saw somebody: found by halving, told apart in line time, heard within 300 ms."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.bus.transaction import Called
from gateway.config.presence import PresenceSection
from gateway.groups.calls import MOST_CALLS, Caller
from gateway.groups.watch import dims_by_presence
from gateway.groups.waves import Habits
from gateway.lampposts.turns import Traffic
from tests.unit.gateway.linetime import Post, Street, run

addresses = st.sets(st.integers(1, 247), max_size=40)
FAST = Habits(hold_most_s=10)


class Air:
    """Lampposts on an ideal line: one that is alone is understood, several garble each other.

    lost(): whether a call is not heard, or its answer is not.
    """

    def __init__(self, saw: set[int], lost: Callable[[], bool] = lambda: False) -> None:
        self.posts = {address: Post(lambda data: None, address) for address in range(1, 248)}
        self.lost = lost
        self.calls = 0
        self.found: list[tuple[int, int]] = []
        for address in saw:
            self.posts[address].sees()

    async def call(self, mask: int, value: int, heard: bytes) -> Called:
        self.calls += 1
        payload = bytes((mask, value)) + heard
        answers: list[tuple[int, int]] = []
        for address, post in self.posts.items():
            before = post.answered
            if not self.lost():
                post.called(self.calls & 0xFF, payload, False)
            if post.answered > before and not self.lost():
                answers.append((address, post._lamp.sightings & 0xFF))  # pyright: ignore
        return Called(answers, False) if len(answers) < 2 else Called([], True)

    async def news(self, answers: list[tuple[int, int]], last: bool) -> None:
        self.found += answers


@given(addresses)
@settings(deadline=None)
def test_everybody_who_saw_somebody_is_found_and_hears_that(saw: set[int]) -> None:
    air = Air(set())

    async def main() -> None:
        caller = Caller(air.call, air.news)
        await caller.round()
        for address in saw:
            air.posts[address].sees()
        done = await caller.round(10_000)
        assert sorted(address for address, _ in air.found) == sorted(saw), "each once"
        assert not done.unresolved
        # The query tree's bound: n answers, each alone after at most eight halvings.
        assert done.calls <= 1 + 16 * max(1, len(saw))
        quiet = await caller.round()
        assert (quiet.calls, len(air.found)) == (1, len(saw)), "told, and nobody says it again"

    asyncio.run(main())


@given(addresses, st.integers(0, 2**32), st.floats(0, 0.6))
@settings(deadline=None, max_examples=50)
def test_what_is_lost_is_told_again_and_nothing_is_made_up(
    saw: set[int], seed: int, loss: float
) -> None:
    chance = random.Random(seed)
    air = Air(set())

    async def main() -> None:
        caller = Caller(air.call, air.news)
        await caller.round()
        for address in saw:
            air.posts[address].sees()
        air.lost = lambda: chance.random() < loss
        for _ in range(5):
            done = await caller.round()
            assert done.calls <= MOST_CALLS
            assert {address for address, _ in air.found} <= saw
        air.lost = lambda: False
        for _ in range(3):
            await caller.round(10_000)
        assert {address for address, _ in air.found} == saw
        assert not any(post.has_news for post in air.posts.values())

    asyncio.run(main())


async def test_neighbours_are_told_apart_by_two_more_calls() -> None:
    air = Air({6, 7})
    caller = Caller(air.call, air.news)
    caller._heard = b""  # pyright: ignore[reportPrivateUsage] - as if it had begun before
    assert (await caller.round()).calls == 3


async def test_what_was_seen_before_it_began_is_not_asked_for() -> None:
    air = Air(set(range(1, 120)))
    caller = Caller(air.call, air.news)
    assert (await caller.round()).calls == 1
    assert not air.found
    air.posts[7].sees()
    await caller.round()
    assert [address for address, _ in air.found] == [7]
    air.posts[8].sees()
    caller.begin()
    await caller.round()
    assert len(air.found) == 1


async def test_a_line_that_only_garbles_costs_a_bounded_number_of_calls() -> None:
    calls: list[int] = []

    async def call(mask: int, value: int, heard: bytes) -> Called:
        calls.append(mask)
        return Called([], True)

    async def news(answers: list[tuple[int, int]], last: bool) -> None:
        assert not answers

    done = await Caller(call, news).round()
    assert (done.calls, done.unresolved) == (MOST_CALLS, True)
    done = await Caller(call, news).round(10_000)
    assert (done.calls, done.unresolved) == (2**9 - 1, True), "down to one address, and no further"


# In line time, with lampposts that take as long as an ESP32 is thought to.


def steady() -> float:
    return 0.008


def test_a_sighting_lights_the_neighbours_within_300_ms() -> None:
    async def main() -> list[float]:
        street, chance = Street(habits=FAST, latency=steady), random.Random(3)
        took: list[float] = []
        async with street.alive():
            await asyncio.sleep(1)
            for step in range(40):
                place = 1 + (37 * step) % 126
                near = [street.posts[street.nodes[place + way]] for way in (-1, 1)]
                for post in near:
                    post.told.clear()
                await asyncio.sleep(chance.uniform(0.3, 0.5))
                edge = time.monotonic()
                await asyncio.sleep(0.05)  # the sampler looks so often
                street.posts[street.nodes[place]].sees()
                await asyncio.sleep(0.5)
                took.append(max(post.told[0][0] for post in near) - edge)
        assert street.escort.sent == 40, "one frame each"
        return took

    took = run(main())
    assert max(took) < 0.3, sorted(took)[-5:]


def test_a_crowd_is_heard_out_and_polls_go_on() -> None:
    async def main() -> None:
        street = Street(habits=FAST)
        async with street.alive():
            await asyncio.sleep(1)
            polls = street.polls
            for place in range(4, 124, 6):
                street.posts[street.nodes[place]].sees()
            await asyncio.sleep(3)
            assert not any(post.has_news for post in street.posts.values())
            lit = [place for place, node in enumerate(street.nodes) if street.posts[node].told]
            assert len(lit) > 70
            assert street.polls - polls > 20

    run(main())


def test_noise_on_the_line_loses_nobody() -> None:
    async def main() -> None:
        street = Street(habits=FAST, bit_error_rate=5e-4)
        async with street.alive():
            await asyncio.sleep(1)
            for place in range(10, 120, 10):
                street.posts[street.nodes[place]].sees()
                await asyncio.sleep(1)
            await asyncio.sleep(5)
            assert not any(post.has_news for post in street.posts.values())
            assert street.escort.sent >= 11

    run(main())


def test_light_crosses_from_one_bus_to_the_next() -> None:
    async def main() -> None:
        street = Street((10, 10), habits=FAST, latency=steady)
        last, first = street.nodes[9], street.nodes[10]
        async with street.alive():
            await asyncio.sleep(1)
            edge = time.monotonic()
            street.posts[last].sees()
            await asyncio.sleep(1)
            assert 0 < street.posts[first].told[0][0] - edge < 0.4
            await asyncio.sleep(5)
            street.posts[first].sees()
            await asyncio.sleep(1)
            assert street.posts[street.nodes[13]].told, "and goes on there"

    run(main())


def test_there_are_no_calls_while_nobody_dims_by_presence() -> None:
    async def main() -> None:
        street = Street(habits=FAST)
        bus = street.buses["bus0"]
        async with street.alive():
            await asyncio.sleep(5)
            assert len(bus.calls) > 20
            street.wanted = False
            await asyncio.sleep(1)
            calls = len(bus.calls)
            for node in street.nodes:
                street.posts[node].sees()
            await asyncio.sleep(60)
            assert len(bus.calls) == calls
            street.wanted = True
            await asyncio.sleep(5)
            assert len(bus.calls) > calls
            assert not street.escort.sent, "what was seen by day is of no interest"

    run(main())


def test_calls_keep_to_their_share_of_the_line() -> None:
    async def main() -> None:
        section = PresenceSection.model_validate({"call_ms": 20, "line_share": 0.2})
        street = Street(habits=FAST, section=section)
        turns = street.broadcasters["bus0"].turns
        async with street.alive():
            began = time.monotonic()
            while time.monotonic() < began + 60:
                for node in random.Random(time.monotonic()).sample(street.nodes, 6):
                    street.posts[node].sees()
                await asyncio.sleep(0.5)
            share = turns.held_s[Traffic.PRESENCE] / 60
        assert 0.1 < share < 0.25

    run(main())


@contextlib.asynccontextmanager
async def _babbler(street: Street) -> AsyncGenerator[None]:
    """Somebody who talks after each call, in nobody's name."""
    line = street.lines["bus0"]

    def hear(data: bytes) -> None:
        if len(data) < 20:
            asyncio.get_running_loop().call_later(0.002, port.transmit, b"\x55" * 8 + b"\0")

    port = line.join(hear)
    yield
    line.leave(port)


def test_a_babbler_gets_little_of_the_line_and_none_of_its_lamps() -> None:
    async def main() -> None:
        street = Street(habits=FAST, latency=steady)
        bus = street.buses["bus0"]
        async with street.alive():
            await asyncio.sleep(1)
            async with _babbler(street):
                await asyncio.sleep(10)
                calls, polls = len(bus.calls), street.polls
                await asyncio.sleep(30)
                assert len(bus.calls) - calls <= 7 * MOST_CALLS
                assert street.polls - polls > 200
                assert not street.escort.sent
            await asyncio.sleep(6)
            before = len(bus.calls)
            await asyncio.sleep(2)
            assert len(bus.calls) - before > 8, "as often as before, once it is over"

    run(main())


def test_who_forges_an_answer_lights_lamps_around_it_and_no_more() -> None:
    async def main() -> None:
        street = Street(habits=FAST, latency=steady)
        async with street.alive():
            await asyncio.sleep(1)
            began = time.monotonic()
            while time.monotonic() < began + 60:
                street.posts[street.nodes[50]].sees()  # as fast as it likes
                await asyncio.sleep(0.05)
        lit = {place for place, node in enumerate(street.nodes) if street.posts[node].told}
        assert lit == {48, 49, 51, 52}
        assert street.escort.sent < 20, "and each is told when its light is about to end"

    run(main())


def test_the_same_sighting_by_a_call_and_by_a_poll_is_one() -> None:
    async def main() -> None:
        street = Street((3,))
        (post, other, _) = street.lampposts.values()
        seen: list[bytes] = []
        waves = SimpleNamespace(seen=lambda node, now: seen.append(node) or [])
        street.escort._waves = cast("Any", waves)  # pyright: ignore[reportPrivateUsage]
        for sightings in (7, 7, 263, 8, 8):
            street.escort.saw(post, sightings)
        street.escort.saw(other, 8)
        assert seen == [post.node, post.node, other.node]

    run(main())


def test_a_bus_is_watched_while_somebody_lit_goes_by_presence() -> None:
    async def main() -> None:
        street = Street((1,))
        (post,) = street.lampposts.values()

        def nothing(node: bytes, field: str) -> None:
            return None

        assert dims_by_presence(post, nothing), "it has seen somebody before"
        post.sightings = 0
        assert not dims_by_presence(post, nothing)
        assert dims_by_presence(post, lambda node, field: 90 if field == "presence/level" else None)
        post.sightings, post.level = 3, 0
        assert not dims_by_presence(post, nothing), "by day"
        post.level, post.link = 60, "silent"
        assert not dims_by_presence(post, nothing)

    run(main())

"""Multicasts on a line that takes time: what is sent, what is repaired, who is given up."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import pairwise

import pytest

from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Traffic
from gateway.logs import get
from gateway.updates import campaign as campaign_module
from gateway.updates import members as members_module
from gateway.updates.figures import Figures
from gateway.updates.members import Outcome
from gateway.updates.multicast import Multicasts
from protocol import messages, multicast, smp
from tests.integration.gateway.images import make_image
from tests.integration.gateway.wired import Wired, wired

IMAGE = make_image(24_000)
TAG = multicast.tag(sha256(IMAGE).digest())
NAME = "the image"
MULTICAST = (smp.GROUP_STREET, messages.MULTICAST)
FAST = 921_600


class Fleet:
    """The multicasts of one bus."""

    def __init__(self, town: Wired) -> None:
        self.figures = Figures()
        self.slot = asyncio.Semaphore(1)
        self.multicasts = Multicasts(town.voice, self.slot, 0.02, self.figures, get())
        self.town = town
        self.progress: dict[bytes, list[float]] = {}
        self.count = multicast.chunk_count(len(IMAGE), town.voice.chunk_size)

    async def to(self, lamppost: Lamppost, fresh: bool = True) -> Outcome:
        async def load() -> bytes:
            return IMAGE

        told = self.progress.setdefault(lamppost.node, [])
        async with asyncio.timeout(60):
            return await self.multicasts.receive(lamppost, NAME, load, fresh, told.append)

    async def to_all(
        self, lampposts: Sequence[Lamppost] | None = None, fresh: bool = True
    ) -> list[Outcome]:
        chosen = self.town.lampposts if lampposts is None else lampposts
        return await asyncio.gather(*(self.to(lamppost, fresh) for lamppost in chosen))


def when(index: int, done: Callable[[], object]) -> Callable[[int], bool]:
    """Hears everything, and `done` is called at chunk `index`."""

    def hears(heard: int) -> bool:
        if heard == index:
            done()
        return True

    return hears


def the_second_time(lost: set[int]) -> Callable[[int], bool]:
    """Hears all chunks, but those in `lost` only when they come again."""

    def hears(index: int) -> bool:
        if index in lost:
            lost.remove(index)
            return False
        return True

    return hears


async def test_several_lampposts_get_each_chunk_once() -> None:
    async with wired(5, FAST) as town:
        fleet = Fleet(town)
        assert await fleet.to_all() == [Outcome.COMPLETE] * 5
        assert [node.uploads_finished for node in town.nodes] == [1] * 5
        assert (fleet.figures.chunks, fleet.figures.chunks_repeated) == (fleet.count, 0)
        assert fleet.figures.multicast_bytes == len(IMAGE)
        for told in fleet.progress.values():
            assert told == sorted(told)
            assert told[-1] == 1
        assert not fleet.slot.locked()


async def test_one_alone_is_told_to_take_it_alone_and_nothing_is_said() -> None:
    async with wired(2, FAST) as town:
        fleet = Fleet(town)
        assert await fleet.to(town.lampposts[0]) is Outcome.ALONE
        assert town.nodes[0].reception.starts == 0


async def test_what_several_miss_is_said_again_and_what_one_misses_is_given_to_it() -> None:
    async with wired(6, FAST) as town:
        fleet = Fleet(town)
        chance = random.Random(3)
        said: dict[int, int] = {}
        for node in town.nodes:
            lost = {index for index in range(fleet.count) if chance.random() < 0.2}
            for index in lost:
                said[index] = said.get(index, 0) + 1
            node.reception.hears = the_second_time(lost)
        assert await fleet.to_all() == [Outcome.COMPLETE] * 6
        assert fleet.figures.chunks_repeated == len(said)
        assert sum(times == 1 for times in said.values()) > 0 < sum(t > 1 for t in said.values())
        heard = [node.reception.heard for node in town.nodes]
        assert max(heard) < 2 * fleet.count
        # One's own chunks are not said to the others.
        assert sum(heard) < 6 * (fleet.count + len(said))


async def test_a_noisy_line_only_makes_it_longer() -> None:
    async with wired(3, FAST, 5e-5) as town:
        fleet = Fleet(town)
        assert await fleet.to_all() == [Outcome.COMPLETE] * 3
        assert town.bus.noise.flipped > 0
        assert [node.running.hash != IMAGE[-32:] for node in town.nodes] == [True] * 3
        assert [node.slots[1].hash for node in town.nodes if node.slots[1]] == [IMAGE[-32:]] * 3


async def test_who_comes_late_gets_the_rest_with_the_others_and_then_what_it_missed() -> None:
    async with wired(3, FAST) as town:
        fleet = Fleet(town)
        late = asyncio.Event()
        town.nodes[0].reception.hears = when(10, late.set)
        first = asyncio.create_task(fleet.to_all(town.lampposts[:2]))
        await late.wait()
        third = await fleet.to(town.lampposts[2])
        assert [*await first, third] == [Outcome.COMPLETE] * 3
        assert fleet.figures.multicasts == 1
        assert fleet.count < fleet.figures.chunks < 2 * fleet.count - 5


async def test_chunks_of_somebody_else_spoil_it_and_the_lamppost_says_so() -> None:
    async with wired(3, FAST) as town:
        fleet = Fleet(town)
        victim = town.nodes[1]

        def forge(group: int, command: int) -> None:
            if (group, command) == MULTICAST and victim.reception.active:
                victim.on_request = lambda group, command: None
                chunk = multicast.chunk_request(TAG, 7, bytes(town.voice.chunk_size))
                victim.reception.write(chunk, sealed=False)

        victim.on_request = forge
        assert await fleet.to_all() == [Outcome.COMPLETE, Outcome.REFUSED, Outcome.COMPLETE]


async def test_who_does_not_know_multicast_leaves_and_holds_nobody_up() -> None:
    async with wired(4, FAST) as town:
        fleet = Fleet(town)
        town.nodes[0].knows_multicast = False
        town.lampposts[3].link = "silent"
        assert await fleet.to_all() == [
            Outcome.LEFT, Outcome.COMPLETE, Outcome.COMPLETE, Outcome.SILENT
        ]  # fmt: skip


async def test_who_falls_silent_half_way_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(members_module, "_SILENT_S", 1.0)
    async with wired(3, FAST) as town:
        fleet = Fleet(town)

        post, end = town.nodes[2], town.on_line[2]
        post.reception.hears = when(16, lambda: setattr(end, "deaf", True))
        assert await fleet.to_all() == [Outcome.COMPLETE, Outcome.COMPLETE, Outcome.SILENT]
        assert len(post.reception.missing) == fleet.count - 17
        # Back again, and alone: it goes on where it was, since most is here.
        end.deaf = False
        assert await fleet.to(town.lampposts[2], fresh=False) is Outcome.COMPLETE
        assert (post.reception.starts, post.reception.taken) == (1, fleet.count)


async def test_lampposts_with_most_of_it_go_on_after_the_gateway_was_killed() -> None:
    async with wired(3, FAST) as town:
        before = Fleet(town)
        half = asyncio.Event()
        town.nodes[0].reception.hears = when(16, half.set)
        tasks = [asyncio.create_task(before.to(lamppost)) for lamppost in town.lampposts]
        await half.wait()
        await before.multicasts.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        taken = town.nodes[1].reception.taken
        assert taken > 12
        after = Fleet(town)
        assert await after.to_all(fresh=False) == [Outcome.COMPLETE] * 3
        assert [node.reception.starts for node in town.nodes] == [1] * 3
        assert after.figures.chunks <= before.count - taken + 1
        assert [node.reception.taken for node in town.nodes] == [before.count] * 3


async def test_one_that_misses_much_every_time_is_left_to_an_upload(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(campaign_module, "_MOST_ROUNDS", 3)
    async with wired(3, FAST) as town:
        fleet = Fleet(town)
        for node in town.nodes[:2]:
            node.reception.hears = lambda index: index != 5
        outcomes = await fleet.to_all()
        assert outcomes == [Outcome.LEFT, Outcome.LEFT, Outcome.COMPLETE]
        assert fleet.figures.chunks == fleet.count + 3


async def test_a_lamppost_that_is_withdrawn_takes_no_further_part() -> None:
    async with wired(3, FAST) as town:
        fleet = Fleet(town)
        late = asyncio.Event()
        town.nodes[0].reception.hears = when(5, late.set)
        tasks = [asyncio.create_task(fleet.to(lamppost)) for lamppost in town.lampposts]
        await late.wait()
        tasks[2].cancel()
        assert await asyncio.gather(*tasks[:2]) == [Outcome.COMPLETE] * 2
        assert not fleet.slot.locked()


async def test_dimming_and_polling_go_on_between_the_chunks() -> None:
    async with wired(4, FAST) as town:
        fleet = Fleet(town)
        turns: list[tuple[Traffic, float]] = []  # with the time that each had the line
        polled: dict[int, list[int]] = {node.address: [] for node in town.nodes}
        waits: list[int] = []
        real = town.turns.take

        @asynccontextmanager
        async def take(traffic: Traffic) -> AsyncGenerator[None]:
            async with real(traffic):
                began = time.monotonic()
                try:
                    yield
                finally:
                    turns.append((traffic, time.monotonic() - began))

        town.turns.take = take  # type: ignore[method-assign]

        async def poll() -> None:
            while True:
                for lamppost in town.lampposts:
                    assert lamppost.address is not None
                    await lamppost.session.ask(
                        management.readings(1, 0, 200, None, None), Traffic.POLL
                    )
                    polled[lamppost.address].append(len(turns))

        async def dim() -> None:
            level = 0
            while True:
                level = (level + 1) % 100
                asked = len(turns)
                await town.lampposts[0].session.ask(management.lamp(level, 60), Traffic.COMMAND)
                assert town.nodes[0].commands[-1] == (level, 60)
                waits.append(len(turns) - asked)
                await asyncio.sleep(0.03)

        others = [asyncio.create_task(poll()), asyncio.create_task(dim())]
        outcomes = await fleet.to_all()
        for task in others:
            task.cancel()
        assert outcomes == [Outcome.COMPLETE] * 4
        assert sum(traffic is Traffic.TRANSFER for traffic, _ in turns) >= fleet.count
        # Its own turn, and at most the one under way and the one given out before it asked.
        assert len(waits) > 5
        assert max(waits) <= 3
        # Between two polls of a lamppost the chunks have no more of the line than the polls.
        longest = max(seconds for _, seconds in turns)
        for asked in polled.values():
            assert len(asked) > 3
            for before, after in pairwise(asked):
                held = dict.fromkeys(Traffic, 0.0)
                for traffic, seconds in turns[before:after]:
                    held[traffic] += seconds
                assert held[Traffic.TRANSFER] <= held[Traffic.POLL] + 2 * longest

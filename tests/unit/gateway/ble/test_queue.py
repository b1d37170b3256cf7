"""Who is connected, and who waits: on a clock that jumps to the next timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.ble import queue as rules
from gateway.ble.queue import Queue, Stay
from gateway.errors import LinkUnavailable
from gateway.lampposts.turns import Traffic


class _Loop(asyncio.SelectorEventLoop):
    """Its time stands still while there is something to do, and jumps when there is not."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0.0

    def time(self) -> float:
        return self.at

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.at = max(self.at, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def _played(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(test())


class Wire:
    """A connection; closing it takes a tenth of a second."""

    def __init__(self) -> None:
        self.up = True

    async def close(self) -> None:
        await asyncio.sleep(0.1)
        self.up = False


class Post:
    """A lamppost that asks again and again."""

    def __init__(self, queue: Queue, key: str, adapters: tuple[str, ...] = ("hci0",)) -> None:
        self.queue = queue
        self.key = key.encode()
        self.adapters = list(adapters)
        self.turns: list[float] = []
        self.connects = 0

    async def turn(self, traffic: Traffic = Traffic.POLL, lasts: float = 0.1) -> Stay:
        stay = await self.queue.enter(self.key, traffic, lambda: self.adapters)
        if stay.connection is None:
            stay.connection = Wire()
            self.connects += 1
        self.turns.append(asyncio.get_running_loop().time())
        await asyncio.sleep(lasts)
        self.queue.rest(stay)
        return stay

    async def busy(self, until: float) -> None:
        while asyncio.get_running_loop().time() < until:
            await self.turn(Traffic.TRANSFER, 1.0)


def test_a_lamppost_stays_connected_between_its_requests_and_is_let_go_when_it_asks_no_more() -> (
    None
):
    async def play() -> None:
        queue = Queue({"hci0": 1})
        post = Post(queue, "a")
        stay = await post.turn()
        for _ in range(4):
            await post.turn()
        assert (post.connects, queue.stays) == (1, 1)
        await asyncio.sleep(rules.LINGER_S - 0.1)
        assert queue.stays == 1
        await asyncio.sleep(0.3)
        assert queue.stays == 0
        assert stay.connection is not None
        assert not stay.connection.up

    _played(play)


def test_whoever_waits_gets_the_room_of_one_that_asks_nothing_after_a_short_grace() -> None:
    async def play() -> None:
        queue = Queue({"hci0": 1})
        first, second = Post(queue, "a"), Post(queue, "b")
        await first.turn()
        began = asyncio.get_running_loop().time()
        await second.turn()
        assert rules.GRACE_S <= second.turns[0] - began < rules.GRACE_S + 0.3
        await queue.close()

    _played(play)


def test_one_that_waits_costs_one_room_and_no_more() -> None:
    async def play() -> None:
        queue = Queue({"hci0": 3})
        posts = [Post(queue, name) for name in "abc"]
        stays = [await post.turn() for post in posts]
        await Post(queue, "d").turn()
        await asyncio.sleep(rules.GRACE_S)
        up = [stay.connection is not None and stay.connection.up for stay in stays]
        assert up == [False, True, True], "the one that asked nothing for longest"
        await queue.close()

    _played(play)


def test_a_command_does_not_wait_for_the_grace() -> None:
    async def play() -> None:
        queue = Queue({"hci0": 1})
        first, second = Post(queue, "a"), Post(queue, "b")
        await first.turn()
        began = asyncio.get_running_loop().time()
        await second.turn(Traffic.COMMAND)
        assert second.turns[0] - began < 0.2
        await queue.close()

    _played(play)


def test_uploads_that_never_pause_share_the_room_and_none_starves() -> None:
    async def play() -> None:
        queue = Queue({"hci0": 2})
        posts = [Post(queue, name) for name in "abcde"]
        await asyncio.gather(*(post.busy(600) for post in posts))
        turns = [len(post.turns) for post in posts]
        assert min(turns) > 0.6 * max(turns), turns
        assert sum(turns) > 0.95 * 2 * 600, "the room is used"
        # A stay is long enough that connecting is not most of it.
        assert all(len(post.turns) >= 9 * post.connects for post in posts)
        await queue.close()

    _played(play)


def test_a_command_goes_before_those_that_wait_longer() -> None:
    async def play() -> None:
        queue = Queue({"hci0": 1})
        holder = Post(queue, "a")
        holding = asyncio.create_task(holder.turn(lasts=5))
        await asyncio.sleep(0)
        order: list[str] = []

        async def wait(name: str, traffic: Traffic) -> None:
            await Post(queue, name).turn(traffic)
            order.append(name)

        waiting = [asyncio.create_task(wait(name, Traffic.POLL)) for name in "bc"]
        await asyncio.sleep(1)
        waiting.append(asyncio.create_task(wait("d", Traffic.COMMAND)))
        await asyncio.gather(holding, *waiting)
        assert order == ["d", "b", "c"]
        await queue.close()

    _played(play)


def test_the_second_adapter_is_used_when_the_better_one_is_full() -> None:
    async def play() -> None:
        queue = Queue({"hci0": 1, "hci1": 1})
        one, two = Post(queue, "a", ("hci0", "hci1")), Post(queue, "b", ("hci0", "hci1"))
        stays = await asyncio.gather(one.turn(), two.turn())
        assert [stay.adapter for stay in stays] == ["hci0", "hci1"]
        only = Post(queue, "c", ("hci1",))
        assert (await only.turn()).adapter == "hci1"
        await queue.close()

    _played(play)


def test_one_that_no_adapter_hears_any_more_is_told_and_does_not_hold_up_the_others() -> None:
    async def play() -> None:
        queue = Queue({"hci0": 1})
        holding = asyncio.create_task(Post(queue, "a").turn(lasts=5))
        await asyncio.sleep(0)
        lost, other = Post(queue, "b"), Post(queue, "c")
        waiting = asyncio.create_task(lost.turn())
        behind = asyncio.create_task(other.turn())
        await asyncio.sleep(1)
        lost.adapters.clear()
        queue.look()
        with pytest.raises(LinkUnavailable, match="no adapter hears"):
            await waiting
        await asyncio.gather(holding, behind)
        await queue.close()

    _played(play)


def test_nobody_waits_for_ever() -> None:
    async def play() -> None:
        queue = Queue({"hci0": 1})
        holding = asyncio.create_task(Post(queue, "a").turn(lasts=1000))
        await asyncio.sleep(0)
        with pytest.raises(LinkUnavailable, match="120 s"):
            await Post(queue, "b").turn()
        assert asyncio.get_running_loop().time() == pytest.approx(rules.WAIT_S)
        assert queue.waiting == 0
        await holding
        await queue.close()

    _played(play)


@pytest.mark.parametrize("granted", [False, True])
def test_one_that_gives_up_waiting_leaves_the_room_to_others(granted: bool) -> None:
    async def play() -> None:
        queue = Queue({"hci0": 1})
        first = Post(queue, "a")
        stay = await first.turn()

        def names() -> list[str]:
            if queue.stays == 0:
                # Comes between the room's being given and the waiting one's running.
                asyncio.get_running_loop().call_soon(waiting.cancel)
            return ["hci0"]

        waiting = asyncio.create_task(queue.enter(b"b", Traffic.POLL, names))
        await asyncio.sleep(0)
        if granted:
            queue.end(stay)
        else:
            waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(1)
        third = Post(queue, "c")
        await third.turn()
        assert third.connects == 1
        await queue.close()
        assert (queue.stays, queue.waiting) == (0, 0)

    _played(play)


def test_a_connection_that_is_lost_makes_room_at_once() -> None:
    async def play() -> None:
        queue = Queue({"hci0": 1})
        stay = await Post(queue, "a").turn()
        assert isinstance(stay.connection, Wire)
        stay.connection.up = False
        queue.look()
        await asyncio.sleep(0.2)
        assert queue.stays == 0

    _played(play)

"""What waits with a deadline still stops when it is told to, in whatever turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from gateway.desired import Configurations
from gateway.lampposts.poller import Poller
from gateway.lampposts.visits import Visits
from gateway.logs import get
from gateway.reported import Reporter
from gateway.waiting import happens_within

nothing = cast("Any", None)
Work = tuple[Coroutine[Any, Any, None], Callable[[], None]]


def waiting() -> Work:
    event = asyncio.Event()

    async def run() -> None:
        while True:
            event.clear()
            await happens_within(event, 60)

    return run(), event.set


def configurations() -> Work:
    made = Configurations(nothing, lambda node: None, get())
    return made.run([]), made.wake


def reporter() -> Work:
    made = Reporter([], nothing, nothing, nothing, nothing, nothing, 1)
    return made.run(), made._wake.set  # pyright: ignore[reportPrivateUsage]


def poller() -> Work:
    opened = asyncio.Event()
    opened.set()
    made = Poller([], nothing, opened, Visits(nothing, nothing, 1, 1, get()))
    return made.run(), made.wake


def poller_without_port() -> Work:
    opened = asyncio.Event()
    made = Poller([], nothing, opened, Visits(nothing, nothing, 1, 1, get()))
    return made.run(), opened.set


@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize("make", [waiting, configurations, reporter, poller, poller_without_port])
async def test_a_cancellation_beside_the_event_is_not_swallowed(
    make: Callable[[], Work], turns: int
) -> None:
    work, wake = make()
    task = asyncio.create_task(work)
    for _ in range(3):
        await asyncio.sleep(0)
    wake()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    for _ in range(50):
        await asyncio.sleep(0)
    stopped = task.cancelled()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert stopped


async def test_it_says_whether_it_happened() -> None:
    event = asyncio.Event()
    assert not await happens_within(event, 0)
    event.set()
    assert await happens_within(event, 0)

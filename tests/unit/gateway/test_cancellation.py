"""What waits with a deadline still stops when it is told to, in whatever turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import aiomqtt
import pytest

from gateway.clock import SystemClock
from gateway.config import MqttSection
from gateway.desired import Configurations
from gateway.lampposts.poller import Poller
from gateway.lampposts.visits import Visits
from gateway.logs import get
from gateway.outlets.outlet import Outlet
from gateway.reported import Reporter
from gateway.uplink.link import Link
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


def uplink() -> Any:
    settings = MqttSection.model_validate({"host": "127.0.0.1"})
    return Link("cabinet-1", "0", settings, SystemClock(), nothing, get())


def outlet() -> Any:
    return Outlet("second", nothing, nothing, nothing, nothing, nothing, get())


@pytest.mark.parametrize("make", [uplink, outlet])
async def test_a_cancellation_lost_in_a_connection_that_breaks_is_not_lost(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As asyncio.wait_for does before Python 3.12, by which aiomqtt waits."""
    connecting, attempts = asyncio.Event(), 0

    async def connection(backoff: object) -> None:
        nonlocal attempts
        attempts += 1
        connecting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise aiomqtt.MqttError("broken off") from None

    link = make()
    monkeypatch.setattr(link, "_connection", connection)
    running = asyncio.create_task(link.run())
    await connecting.wait()
    running.cancel()
    await asyncio.wait({running}, timeout=30)
    assert running.cancelled()
    assert attempts == 1

"""Who gets the line: shares of its time, whatever a turn takes."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace

import pytest

from gateway.lampposts import turns as module
from gateway.lampposts.turns import Traffic, Turns


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))


async def share(
    monkeypatch: pytest.MonkeyPatch, turn_s: dict[Traffic, float]
) -> dict[Traffic, float]:
    """The part of the line's time that each class gets when each asks again at once."""
    clock = Clock(monkeypatch)
    turns = Turns()

    async def work(traffic: Traffic) -> None:
        while clock.now < 200:
            async with turns.take(traffic):
                await asyncio.sleep(0)
                clock.now += turn_s[traffic]

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for traffic in turn_s:
            group.create_task(work(traffic))
    return {traffic: turns.held_s[traffic] / 100 for traffic in turn_s}


async def test_polls_and_transfers_share_the_time_not_the_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    got = await share(monkeypatch, {Traffic.POLL: 0.01, Traffic.TRANSFER: 0.2})
    assert got[Traffic.POLL] == pytest.approx(0.5, abs=0.05)


async def test_presence_gets_most_of_the_time_and_never_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turn_s = {Traffic.PRESENCE: 0.01, Traffic.POLL: 0.02, Traffic.TRANSFER: 0.1}
    got = await share(monkeypatch, turn_s)
    assert got[Traffic.PRESENCE] == pytest.approx(4 / 6, abs=0.05)
    assert got[Traffic.POLL] == pytest.approx(1 / 6, abs=0.05)


async def test_presence_that_comes_goes_next() -> None:
    turns = Turns()
    order: list[str] = []

    async def work(traffic: Traffic) -> None:
        async with turns.take(traffic):
            order.append(traffic.name)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(work(Traffic.POLL))
            group.create_task(work(Traffic.TRANSFER))
        for _ in range(5):
            await asyncio.sleep(0)
        group.create_task(work(Traffic.PRESENCE))
    assert "PRESENCE" in order[1:4]


async def test_a_class_that_wanted_nothing_gets_no_credit_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    turns = Turns()
    order: Counter[Traffic] = Counter()

    async def work(traffic: Traffic, count: int) -> None:
        for _ in range(count):
            async with turns.take(traffic):
                order[traffic] += 1
                await asyncio.sleep(0)
                clock.now += 0.1

    await work(Traffic.POLL, 100)
    late = asyncio.create_task(work(Traffic.TRANSFER, 20))
    await work(Traffic.POLL, 20)
    assert 15 <= order[Traffic.TRANSFER] <= 20
    await late

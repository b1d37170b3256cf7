"""The machine's clock jumps by years, both ways, under a whole gateway: nothing waits for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import Street, eventually, street
from tests.integration.gateway.nursery import ForkedGateway, nursery

YEAR_S = 365 * 86_400


class Clock:
    """By how much the gateway's wall clock is wrong, seconds."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock"
        self.jump(0)

    def jump(self, wrong: int) -> None:
        # Never half a file: the gateway reads it at any moment.
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(wrong))
        fresh.rename(self.file)


@contextlib.asynccontextmanager
async def jumping(folder: Path, bus: FakeBus) -> AsyncGenerator[tuple[Street, Clock]]:
    """A gateway runs; at the end the ledger is compared."""
    clock = Clock(folder)
    async with nursery() as born, street(folder, bus) as town:
        gateway = ForkedGateway(folder, town.buses, town.broker.port)
        gateway.adopt(born)
        gateway.clock = clock.file
        town.gateway = gateway
        gateway.write_config(buffer="max_age_days = 30")
        await gateway.start()
        yield town, clock
        await eventually(lambda: town.city.has_all_of(bus), "all records in the city")
        assert town.city.records == {
            (one.id, *key): body for one in bus.nodes.values() for key, body in one.written.items()
        }
        assert town.city.conflicts == []
        await eventually(lambda: not gateway.buffered(), "buffer drained")
        assert not gateway.said("records dropped")
        assert gateway.alive
        assert await gateway.stop() == 0


async def test_a_clock_that_jumps_by_a_year_both_ways_drops_nothing_and_holds_nothing_up(
    tmp_path: Path,
) -> None:
    bus = FakeBus([FakeNode(1), FakeNode(2)])
    node = bus.nodes[1]
    async with jumping(tmp_path, bus) as (town, clock):
        # In the end to before this software was written, which is no time at all.
        for wrong in (0, YEAR_S, -YEAR_S, 0, -10 * YEAR_S):
            clock.jump(wrong)
            told = len(node.times)
            for one in bus.nodes.values():
                one.append(100)
            await eventually(lambda: town.city.has_all_of(bus), "goes up")
            if wrong > -2 * YEAR_S:
                await eventually(lambda told=told: len(node.times) > told, "is told the time")
        # A time that cannot be is told to nobody; what can be, is.
        years = {round((told - node.times[0]) / YEAR_S) for told in node.times}
        assert years == {0, 1, -1}


@pytest.mark.soak
async def test_a_clock_that_jumps_while_the_broker_is_away_holds_nothing_up(
    tmp_path: Path,
) -> None:
    bus = FakeBus([FakeNode(address) for address in range(1, 6)])
    node = bus.nodes[1]
    async with jumping(tmp_path, bus) as (town, clock):
        for years in (1, -1, 0, 2, -1):
            await eventually(lambda: town.city.has_all_of(bus), "all before the jump")
            await town.broker.stop()
            node.append(200)
            await eventually(lambda: not node.log, "taken while the broker is away")
            clock.jump(years * YEAR_S)
            for one in bus.nodes.values():
                one.append(100)
            await eventually(lambda: not node.log, "taken after the jump")
            await town.broker.start()

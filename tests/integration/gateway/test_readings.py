"""Readings from a bus to the city, whatever happens in between."""

from __future__ import annotations

from pathlib import Path

from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import eventually, street


async def test_readings_reach_the_city_and_are_acknowledged_to_the_lamppost(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(address) for address in (1, 2, 3)])
    for node in bus.nodes.values():
        node.append(500)
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await eventually(lambda: town.city.has_all_of(bus), "all records in the city")
        await eventually(lambda: not any(n.log for n in bus.nodes.values()), "logs acknowledged")
        assert town.city.conflicts == []
        assert town.city.repeats == 0
        assert await town.gateway.stop() == 0
        await eventually(lambda: town.city.status.get("state") == "offline", "offline said")

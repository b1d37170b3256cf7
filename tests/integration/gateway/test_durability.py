"""Nothing is lost, whoever is killed or away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from protocol import messages, smp
from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import GATEWAY, eventually, street
from tests.integration.gateway.proxy import Proxy


async def test_a_record_is_committed_before_the_lamppost_may_forget_it(tmp_path: Path) -> None:
    node = FakeNode(1)
    node.append(300)
    bus = FakeBus([node])
    told = asyncio.Event()

    def watch(group: int, command: int) -> None:
        if node.acknowledged:
            told.set()
            node.silent = True

    node.on_request = watch
    async with street(tmp_path, bus) as town:
        await town.broker.stop()
        await town.gateway.start()
        await asyncio.wait_for(told.wait(), 30)
        await town.gateway.kill()
        forgotten = {key for key in node.written if key not in node.log}
        assert forgotten
        assert {(node.id, *key) for key in forgotten} <= town.gateway.buffered()
        node.silent = False
        node.on_request = lambda group, command: None
        await town.broker.start()
        await town.gateway.start()
        await eventually(lambda: town.city.has_all_of(bus), "all records in the city")


async def test_records_wait_while_the_broker_is_away(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    node.append(100)
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await eventually(lambda: town.city.has_all_of(bus), "first records")
        await town.broker.stop()
        node.append(400)
        await eventually(lambda: not node.log, "taken while the broker is away")
        await town.broker.start()
        await eventually(lambda: town.city.has_all_of(bus), "records of the outage")
        await eventually(lambda: not town.gateway.buffered(), "buffer drained")
        assert town.gateway.log.read_text().count('level=warning event="broker unavailable"') == 1


async def test_a_row_is_deleted_only_on_puback(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    async with street(tmp_path, bus) as town, Proxy(town.broker.port) as proxy:
        town.gateway.write_config()
        config = town.gateway.config.read_text()
        town.gateway.config.write_text(
            config.replace(f"port = {town.broker.port}", f"port = {proxy.port}")
        )
        await town.gateway.start()
        await eventually(lambda: bus.nodes[1].hex in town.city.reported, "connected")
        proxy.withhold_pubacks = True
        bus.nodes[1].append(100)
        # The city has them, but the gateway cannot know.
        await eventually(lambda: town.city.has_all_of(bus), "all records in the city")
        await eventually(lambda: not bus.nodes[1].log, "all records in the buffer")
        assert len(town.gateway.buffered()) == 100
        proxy.withhold_pubacks = False
        proxy.cut()
        await eventually(lambda: not town.gateway.buffered(), "buffer drained")
        assert town.city.repeats >= 100
        assert town.city.conflicts == []


async def test_an_ingest_that_is_away_with_a_session_counts_as_one(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    async with street(tmp_path, bus) as town:
        client = town.city
        await client.listening.wait()
        await client.pause()
        bus.nodes[1].append(50)
        await town.gateway.start()
        await eventually(lambda: not bus.nodes[1].log, "in the buffer")
        await eventually(lambda: not town.gateway.buffered(), "taken for the ingest")
        client.resume()
        await eventually(lambda: town.city.has_all_of(bus), "queued records in the city")


async def test_a_full_buffer_stops_reading_and_drops_nothing(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    node.append(1000)
    async with street(tmp_path, bus) as town:
        await town.broker.stop()
        town.gateway.write_config(buffer="max_bytes = 20000")
        await town.gateway.start()
        await eventually(lambda: town.gateway.said("buffer full"), "full")
        polls = node.polls
        await eventually(lambda: node.polls > polls + 5, "still polled, for link and clock")
        assert node.log
        # At the bound, give or take the replies that were on their way.
        assert len(town.gateway.buffered()) * 60 < 20_000 + 2 * 70 * 70
        await town.broker.start()
        await eventually(lambda: town.city.has_all_of(bus), "all records in the city")
        assert town.city.conflicts == []


@pytest.mark.parametrize("damage", ["garbage", "page"])
async def test_a_damaged_database_is_set_aside_and_the_gateway_runs(
    tmp_path: Path, damage: str
) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    node.append(2000)
    async with street(tmp_path, bus) as town:
        await town.broker.stop()
        await town.gateway.start()
        await eventually(lambda: not node.log, "in the buffer")
        assert await town.gateway.stop() == 0
        path = town.gateway.data / "gateway.db"
        content = bytearray(path.read_bytes())
        if damage == "garbage":
            content[:] = b"\xa5" * len(content)
        else:
            middle = len(content) // 2 // 4096 * 4096
            content[middle : middle + 4096] = b"\xa5" * 4096
        path.write_bytes(content)
        await town.broker.start()
        node.append(10)
        await town.gateway.start()
        fresh = {(1, seq) for seq in range(2000, 2010)}
        await eventually(
            lambda: all((node.id, *key) in town.city.records for key in fresh), "new records"
        )
        assert town.gateway.said("database damaged")
        assert list(town.gateway.data.glob("gateway.db.damaged-*"))
        assert town.city.conflicts == []
        if damage == "page":
            # What could be salvaged goes on: all but the records of one page and its neighbours.
            await eventually(lambda: len(town.city.records) > 1700, "salvaged records")


async def test_sealing_counters_lost_with_the_database_are_found_again(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    # Above anything a gateway that starts anew begins with.
    node.highest = (1 << 38) + 5_000_000
    node.append(50)
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await eventually(lambda: town.city.has_all_of(bus), "all records in the city")
        assert town.gateway.said("sealing counter moved on")


async def test_a_log_that_begins_again_is_read_from_its_beginning(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    node.epoch = 40
    node.append(50)
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await eventually(lambda: town.city.has_all_of(bus), "first log")
        await eventually(lambda: not node.log, "acknowledged")
        node.epoch, node.next_seq, node.generation = 3, 0, 9
        node.append(30)
        await eventually(lambda: town.city.has_all_of(bus), "log after the reformat")


async def test_retained_status_is_offline_after_a_kill(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await eventually(lambda: town.city.status.get("state") == "online", "birth")
        assert town.city.status["gateway"] == GATEWAY
        await town.gateway.kill()
        await eventually(lambda: town.city.status.get("state") == "offline", "last will")


def test_fake_node_refuses_unsealed_changes() -> None:
    # The fake must be at least as strict as firmware, else the tests above prove less.
    node = FakeNode(1)
    request = smp.pack(
        smp.OP_READ, smp.GROUP_STREET, 0, messages.READINGS,
        messages.readings_request(0, 0, 100, (1, 5)),
    )  # fmt: skip
    answer = node.answer(request)
    assert answer is not None
    assert smp.error_of(smp.unpack(answer)[4]) == (smp.GROUP_STREET, smp.STREET_ERR_NOT_SEALED)

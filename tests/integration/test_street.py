"""A simulated street: the real firmware on the real MicroPython, alive on its bus."""

import asyncio
from pathlib import Path

import pytest

from gateway import config as gateway_config
from protocol import records
from simulators.factory import VERSION
from simulators.flash import PowerCut
from simulators.lamppost import Release
from simulators.node_process import ChipState, ResetCause
from simulators.street import Street, StreetPlan
from tests.integration.street_client import StreetClient

SPEED = 2000.0  # street seconds a second: many records within a few seconds


@pytest.fixture
def complaints() -> list[str]:
    return []


async def test_every_lamppost_answers_with_its_identity_and_lights_up(
    tmp_path: Path, complaints: list[str]
) -> None:
    async with Street(tmp_path / "street", StreetPlan(lampposts=3), complaints.append) as street:
        await street.power_on()
        with StreetClient(street.bus.open_gateway_port()) as client:
            for lamppost in street.lampposts:
                status = await client.status(lamppost.provision.address)
                assert status["id"].hex() == lamppost.node
                assert status["b"] == lamppost.provision.board
                assert status["l"] == 100
        view = street.view()
        assert [post.state for post in view.lampposts] == [ChipState.RUNNING] * 3
        assert [post.dimming_level for post in view.lampposts] == [100.0] * 3
        assert view.bus.bytes > 0
        assert [post.release for post in view.lampposts] == [Release(VERSION, 0, False)] * 3
        assert all(post.heard is not None and post.heard >= 0 for post in view.lampposts)
    assert complaints == []
    assert all(lamppost.chip.state is ChipState.OFF for lamppost in street.lampposts)


async def test_what_the_bus_delivers_is_what_the_ledger_says(
    tmp_path: Path, complaints: list[str]
) -> None:
    plan = StreetPlan(lampposts=2, speed=SPEED, bits=32, heap="512K", crowd=50)
    async with Street(tmp_path / "street", plan, complaints.append) as street:
        await street.power_on()
        with StreetClient(street.bus.open_gateway_port()) as client:
            kinds: set[int] = set()
            async with asyncio.timeout(120):
                while not kinds >= {records.BOOT, records.PEOPLE, records.ENERGY, records.STATUS}:
                    await asyncio.sleep(1)
                    kinds = {records.decode(b)[0] for b in street.ledger.records.values()}
            announced = set(street.ledger.records)
            rows = [
                row
                for lamppost in street.lampposts
                for row in await client.records(lamppost.node, lamppost.provision.address)
            ]
        keys = {row[:3] for row in rows}
        assert announced <= keys, "all that was logged before the question is in the answer"
        assert len(rows) == len(keys)
        comparison = street.ledger.compare(rows)
        assert comparison.altered + comparison.unknown + comparison.duplicates == []
    assert complaints == []


@pytest.mark.parametrize("torn", [False, True], ids=["clean", "torn"])
async def test_no_record_is_lost_or_changed_by_power_cuts_at_any_write(
    tmp_path: Path, complaints: list[str], torn: bool
) -> None:
    """The power goes at a write further on at each start; in the end every record is there."""
    plan = StreetPlan(lampposts=1, speed=SPEED)
    async with Street(tmp_path / "street", plan, complaints.append) as street:
        lamppost = street.lampposts[0]
        for after in range(0, 60, 5):
            lamppost.chip.cut = PowerCut(after, torn)
            lamppost.power_on()
            async with asyncio.timeout(60):
                await lamppost.chip.ended()
            assert lamppost.chip.state is ChipState.OFF, "it died of the cut, not of itself"
        lamppost.power_on()
        with StreetClient(street.bus.open_gateway_port()) as client:
            await client.status(lamppost.provision.address)
            announced = set(street.ledger.records)
            rows = await client.records(lamppost.node, lamppost.provision.address)
        assert announced <= {row[:3] for row in rows}
        comparison = street.ledger.compare(rows)
        assert comparison.altered + comparison.unknown + comparison.duplicates == []
        assert lamppost.chip.starts[ResetCause.POWER_ON] == 13
    assert complaints == []


async def test_a_power_cut_darkens_the_street_and_its_end_lights_it(tmp_path: Path) -> None:
    async with Street(tmp_path / "street", StreetPlan(lampposts=2)) as street:
        await street.power_on()
        with StreetClient(street.bus.open_gateway_port()) as client:
            await client.status(1)
            await street.power_cut()
            assert [post.dimming_level for post in street.view().lampposts] == [0.0, 0.0]
            assert [post.power_watts for post in street.view().lampposts] == [0.0, 0.0]
            await street.power_on()
            for address in (1, 2):
                assert (await client.status(address))["l"] == 100


async def test_a_street_is_taken_up_again_where_it_was_left(tmp_path: Path) -> None:
    folder = tmp_path / "street"
    async with Street(folder, StreetPlan(lampposts=1)) as street:
        await street.power_on()
        with StreetClient(street.bus.open_gateway_port()) as client:
            first = await client.status(1)
        key = street.factory.release_key_file.read_bytes()
    async with Street(folder, StreetPlan(lampposts=1)) as street:
        await street.power_on()
        with StreetClient(street.bus.open_gateway_port()) as client:
            second = await client.status(1)
            rows = await client.records(street.lampposts[0].node, 1)
        assert street.factory.release_key_file.read_bytes() == key
        assert (second["id"], second["ep"] > first["ep"]) == (first["id"], True)
        assert set(street.ledger.records) <= {row[:3] for row in rows}


async def test_cut_bus_wires_silence_one_lamppost_only(tmp_path: Path) -> None:
    async with Street(tmp_path / "street", StreetPlan(lampposts=2)) as street:
        await street.power_on()
        with StreetClient(street.bus.open_gateway_port()) as client:
            await client.status(1)
            street.lampposts[0].connect_bus(False)
            await client.status(2)
            with pytest.raises(TimeoutError):
                await client.status(1, patience=2.0)
            street.lampposts[0].connect_bus(True)
            await client.status(1)


async def test_a_gateway_takes_the_configuration_that_is_written_for_it(tmp_path: Path) -> None:
    async with Street(tmp_path / "street", StreetPlan(lampposts=4, speed=340)) as street:
        path = street.write_gateway_config()
        read, warnings = gateway_config.load(path)
        assert warnings == []
        assert [post.node.hex() for post in read.lamppost] == [p.node for p in street.lampposts]
        clock = read.clock.make()
        assert abs(clock.now() - street.clock.street()) < 340


async def test_a_deep_folder_has_room_for_the_socket_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / ("name" * 10)
    folder.mkdir(parents=True)
    async with Street(folder, StreetPlan(lampposts=1)) as street:
        await street.power_on()
        with StreetClient(street.bus.open_gateway_port()) as client:
            assert (await client.status(1))["id"].hex() == street.lampposts[0].node

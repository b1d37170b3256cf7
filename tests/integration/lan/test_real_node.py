"""A lamppost of real firmware is given the local network over its bus, and then reached by it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from gateway import logs
from gateway.bus.channel import BusChannel
from gateway.bus.port import Port
from gateway.bus.transaction import Line
from gateway.config import LamppostSection
from gateway.errors import NoReply
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.readings import batch_of
from gateway.lampposts.route import Route
from gateway.lampposts.session import Session
from gateway.lampposts.turns import Traffic, Turns
from gateway.lan.channel import LanChannel
from gateway.lan.giving import give_network, lan_state
from gateway.lan.link import LanLink
from protocol import messages
from simulators.street import Street, StreetPlan
from tests.integration.gateway.harness import eventually
from tests.integration.lan.own_broker import connected, own_broker


class Reservations:
    """Sealing counters, in memory."""

    def __init__(self) -> None:
        self._reserved = 0

    async def reserve_counters(self, node: bytes, at_least: int, block: int) -> tuple[int, int]:
        first = max(self._reserved, at_least)
        self._reserved = first + block
        return first, self._reserved


@contextlib.asynccontextmanager
async def reached(street: Street, link: LanLink) -> AsyncIterator[Lamppost]:
    """The street's first lamppost, by its bus and the local network."""
    who = street.lampposts[0].provision
    port = Port(Path(street.bus.open_gateway_port()), street.plan.baud, False, logs.get())
    node = bytes.fromhex(who.node)
    bus = BusChannel(who.address, Line(port, 0.25), Turns(), 3)
    route = Route([bus, LanChannel(node, link, 5, 3)])
    session = Session(node, who.key, who.key_id, route, Reservations(), logs.get())  # pyright: ignore[reportArgumentType]
    running = asyncio.create_task(port.run())
    try:
        await asyncio.wait_for(port.opened.wait(), 30)
        yield Lamppost(node, who.name, session, logs.get(), "lime-walk", who.address)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_lamppost_given_the_local_network_is_reached_by_it_when_the_bus_is_cut(
    tmp_path: Path,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        street = await stack.enter_async_context(Street(tmp_path / "street", StreetPlan(1)))
        who = street.lampposts[0].provision
        broker = await stack.enter_async_context(own_broker(tmp_path))
        settings = {"ssid": "street", "passphrase_file": tmp_path / "wifi"}
        (tmp_path / "wifi").write_text("lamplight\n")
        broker.setup._settings = broker.settings.model_copy(update=settings)
        section = LamppostSection.model_validate(
            {"id": who.node, "name": who.name, "lan": True, "key": who.key.hex(), "key_id": 1}
        )
        broker.lampposts = [section]
        broker.setup.set_lampposts([section])
        broker.setup.prepare()
        link = await stack.enter_async_context(connected(broker.link()))
        await street.power_on()
        lamppost = await stack.enter_async_context(reached(street, link))

        async with asyncio.timeout(60):
            while await _is_silent(lamppost):
                pass
        # Without the time it would believe no certificate.
        await _read(lamppost)
        assert await lan_state(lamppost) is None
        document = broker.setup.network_document(section)
        assert await give_network(lamppost, document), "it starts again"
        await eventually(lambda: link.is_on(lamppost.node), "it is on the local network")
        assert await lan_state(lamppost) == (True, "")
        assert not await give_network(lamppost, document), "nothing to do"

        street.lampposts[0].connect_bus(False)
        route = lamppost.session.route
        while route.current().kind == "bus":
            assert await _is_silent(lamppost)
        assert (await management.status(lamppost))["id"] == lamppost.node
        assert await _read(lamppost), "records come over it too"
        assert link.passed_over == link.refused == 0


async def _is_silent(lamppost: Lamppost) -> bool:
    try:
        await management.status(lamppost, 1)
    except NoReply:
        return True
    return False


async def _read(lamppost: Lamppost) -> int:
    asked = lamppost.position
    message = management.readings(*asked, messages.MAX_RECORD_BYTES, None, int(time.time()))
    body = await lamppost.session.ask(message, Traffic.POLL)
    batch = batch_of(lamppost.node, asked, body).batch
    return 0 if batch is None else len(batch.records)

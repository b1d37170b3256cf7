"""A street on air, and the gateway's Bluetooth side beside it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from gateway import logs
from gateway.ble.adapter import OpenAdapter
from gateway.ble.channel import BleChannel
from gateway.ble.link import BleLink
from gateway.config.ble import BleSection
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.route import Route
from gateway.lampposts.session import Session
from gateway.lampposts.turns import Traffic
from protocol import configuration, messages, smp
from simulators.street import Street, StreetPlan
from tests.device.test_node_whole import Gateway

PATIENCE = 60.0
INTERVAL_MS = 100


class Counters:
    """Sealing counters of a gateway that has lost its database."""

    async def reserve_counters(self, _: bytes, at_least: int, block: int) -> tuple[int, int]:
        first = max(at_least, 1 << 35)
        return first, first + block


class Nearby:
    """The lampposts of a street as the gateway reaches them by Bluetooth."""

    def __init__(self, street: Street, link: BleLink) -> None:
        self.street = street
        self.link = link
        self.lampposts: list[Lamppost] = []
        self.channels: list[BleChannel] = []

    def add(self, number: int, key: bytes | None = None, address: str | None = None) -> Lamppost:
        who = self.street.lampposts[number].provision
        node = bytes.fromhex(who.node)
        log = logs.get(lamppost=who.node)
        channel = self.link.add(node, key or who.key, address, log)
        state = Counters()
        session = Session(
            node,
            key or who.key,
            who.key_id,
            Route([channel]),
            state,  # type: ignore[arg-type]
            log,
        )
        lamppost = Lamppost(node, who.node, session, log)
        lamppost.link = "up"
        self.lampposts.append(lamppost)
        self.channels.append(channel)
        return lamppost

    async def heard(self) -> None:
        await until(lambda: all(channel.available for channel in self.channels))


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.02)


async def status(lamppost: Lamppost) -> dict[str, object]:
    request = smp.pack(smp.OP_READ, smp.GROUP_STREET, 0, messages.STATUS, {})
    return messages.parse_status(await lamppost.session.ask(request, Traffic.POLL))


async def _nothing(_: Street) -> None:
    pass


@contextlib.asynccontextmanager
async def street_on_air(
    folder: Path,
    lampposts: int = 1,
    interval_ms: int = INTERVAL_MS,
    beside: Callable[[Street], Awaitable[object]] = _nothing,
) -> AsyncIterator[Street]:
    """A street whose lampposts have been told, over their bus, to be on air.

    beside: what is done meanwhile, once the street's air is there.
    """
    plan = StreetPlan(lampposts=lampposts, heap="1M", radio=True)
    async with Street(folder, plan) as street:
        assert street.radio is not None
        await street.radio.serve_hci(street.folder / "hci")
        meanwhile = asyncio.ensure_future(beside(street))
        await street.power_on()
        document = configuration.document(1, {"link/ble": 1, "ble/interval": interval_ms})
        written = {"name": "configuration", "val": document}
        for post in street.lampposts:
            gateway = Gateway(street.bus.open_gateway_port(), post.provision)
            try:
                assert await gateway.sealed(smp.OP_WRITE, smp.GROUP_SETTINGS, 0, written) == {}
                assert await gateway.sealed(smp.OP_WRITE, smp.GROUP_OS, smp.OS_RESET, {}) == {}
            finally:
                gateway.close()
        await meanwhile
        yield street


@contextlib.asynccontextmanager
async def nearby(
    street: Street, open_adapter: OpenAdapter, *adapters: str, connections: int = 3
) -> AsyncIterator[Nearby]:
    """The Bluetooth side of a gateway with these adapters, at work."""
    section = BleSection.model_validate({"adapters": list(adapters), "connections": connections})
    link = BleLink(section, open_adapter, logs.get())
    task = asyncio.create_task(link.run())
    try:
        yield Nearby(street, link)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), task

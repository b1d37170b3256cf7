"""A whole lamppost that can be reached by bus, local network and Bluetooth at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from protocol import envelope, keyring, messages, network, smp
from simulators.street import Street, StreetPlan
from tests.device.test_node_whole import Gateway
from tests.integration.gateway.harness import Broker
from tests.integration.lan.master import Master
from tests.integration.test_ble import Phone

Ask = Callable[[int, int, int, dict[str, Any]], Awaitable[dict[str, Any]]]

PATIENCE_S = 60.0
NEW_KEY_ID, NEW_KEY = 2, bytes(range(16))
BUS, LAN, BLE = (messages.LINK_NAMES.index(name) for name in ("bus", "lan", "ble"))
SEAL_REFUSED = smp.error(smp.GROUP_STREET, smp.STREET_ERR_SEAL)


class Seal:
    """One key, used by whoever asks, over whatever link."""

    def __init__(self, node: str, key_id: int, key: bytes) -> None:
        self._node = bytes.fromhex(node)
        self._keys = {key_id: key}
        self._key_id = key_id
        self.counter = 0

    def around(self, op: int, command: int, body: dict[str, Any]) -> dict[str, Any]:
        """The body of a SEALED request."""
        self.counter += 1
        inner = smp.pack(op, smp.GROUP_STREET, 9, command, body)
        key = self._keys[self._key_id]
        return messages.sealed(
            envelope.seal(key, self._key_id, self._node, envelope.TO_NODE, self.counter, inner)
        )

    def opened(self, outer: dict[str, Any]) -> dict[str, Any]:
        """The body of the reply inside ``outer``."""
        message = messages.parse_sealed(outer)
        opened = envelope.open_sealed(self._keys, self._node, envelope.FROM_NODE, message)
        return smp.unpack(opened[0])[4]

    async def ask(
        self, ask: Ask, command: int, body: dict[str, Any], op: int = smp.OP_WRITE
    ) -> dict[str, Any]:
        """The reply to a sealed request over a link, or the refusal around it."""
        while True:
            outer = await _sealed(ask, self.around(op, command, body))
            if "m" in outer:
                return self.opened(outer)
            if "c" not in outer:
                return outer
            self.counter = outer["c"]

    async def status(self, ask: Ask) -> dict[str, Any]:
        return messages.parse_status(await self.ask(ask, messages.STATUS, {}, smp.OP_READ))


async def _sealed(ask: Ask, body: dict[str, Any]) -> dict[str, Any]:
    return await ask(smp.OP_WRITE, smp.GROUP_STREET, messages.SEALED, body)


async def _links(ask: Ask) -> tuple[int, str, dict[int, Any]]:
    """Code of the link chosen, why, and by code the row of each link."""
    answer = await ask(smp.OP_READ, smp.GROUP_STREET, messages.LINKS, {})
    chosen, why, rows = messages.parse_links_reply(answer)
    return chosen, why, {row[0]: row for row in rows}


async def _lan_is(ask: Ask, up: bool) -> str:
    """Wait until it says so; why it is not."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            row = (await _links(ask))[2].get(LAN)
            if row is not None and row[1] is up:
                return row[6]
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def _lamppost(folder: Path) -> AsyncIterator[tuple[Street, Gateway, Broker]]:
    """A lamppost with all its links on, and a broker that it has been told of on the bench."""
    broker = Broker(folder)
    await broker.start()
    links = {"link/ble": 1, "link/lan": 1, "ble/interval": 100}
    plan = StreetPlan(lampposts=1, radio=True, configuration=links)
    try:
        async with Street(folder / "street", plan) as street:
            await street.power_on()
            assert street.radio is not None
            await street.radio.serve_hci(street.folder / "hci")
            post = street.lampposts[0]
            gateway = Gateway(street.bus.open_gateway_port(), post.provision)
            told = network.document("127.0.0.1", broker.port, "street", "lamplight")
            for switch in (False, True, False):
                post.close_service_switch(switch)
                body = {"name": "network", "val": told}
                answer = await gateway.ask(smp.OP_WRITE, smp.GROUP_SETTINGS, 0, body)
                # Unsealed, so by the switch behind the door alone.
                assert answer.get("rc") == (None if switch else smp.MGMT_ERR_EACCESSDENIED)
            await _lan_is(gateway.ask, True)
            yield street, gateway, broker
            gateway.close()
    finally:
        await broker.stop()


async def test_links_come_and_go_each_by_itself_and_say_why(tmp_path: Path) -> None:
    async with _lamppost(tmp_path) as (street, gateway, broker):
        post = street.lampposts[0]
        seal = Seal(post.node, post.provision.key_id, post.provision.key)
        assert (await _links(gateway.ask))[:2] == (0, "no link has been heard yet")
        async with Master(broker.port, post.node) as lan:
            status = await seal.status(lan.ask)
            assert (status["link"], status["link_reason"]) == (
                LAN,
                "lan is the first that is heard",
            )
        status = await seal.status(gateway.ask)
        assert status["link"] == LAN, "the bus has not been heard for long"
        phone = Phone(street)
        async with phone:
            await seal.status(phone.ask)
            _, _, rows = await _links(phone.ask)
            assert [(rows[code][1], rows[code][2] >= 0) for code in (BUS, LAN, BLE)] == [
                (True, True)
            ] * 3, "all up, and heard"

        await broker.kill()
        assert await _lan_is(gateway.ask, False) != ""
        await broker.start()
        await _lan_is(gateway.ask, True)
        street.access_point.present(False)
        assert "access point" in await _lan_is(gateway.ask, False)
        street.access_point.present(True)
        await _lan_is(gateway.ask, True)

        post.connect_bus(False)
        async with Master(broker.port, post.node) as lan:
            status = await seal.status(lan.ask)
            assert (status["level"], status["task_restarts"]) == (100, 0)
        post.connect_bus(True)
        await seal.status(gateway.ask)


async def test_one_seal_serves_all_links_and_a_key_is_changed_across_them(tmp_path: Path) -> None:
    async with _lamppost(tmp_path) as (street, gateway, broker):
        post = street.lampposts[0]
        old = Seal(post.node, post.provision.key_id, post.provision.key)
        new = Seal(post.node, NEW_KEY_ID, NEW_KEY)
        phone = Phone(street)
        async with Master(broker.port, post.node) as lan, phone:
            await old.status(lan.ask)
            earlier = old.around(smp.OP_WRITE, messages.IDENTIFY, messages.identify_request(1))
            first = await _sealed(lan.ask, earlier)
            # The last request again, over another link: its reply once more, nothing done twice.
            assert await _sealed(gateway.ask, earlier) == first
            await old.status(phone.ask)
            for link in (gateway, lan, phone):
                refusal = await _sealed(link.ask, earlier)
                assert refusal["err"]["rc"] == smp.STREET_ERR_REPLAY

            install = keyring.install_request(NEW_KEY_ID, NEW_KEY)
            pending, _ = keyring.parse_keys_reply(await old.ask(lan.ask, messages.KEYS, install))
            assert pending == NEW_KEY_ID
            for link in (phone, gateway, lan):
                await old.status(link.ask)
            await new.status(phone.ask)
            for link in (gateway, lan, phone):
                await new.status(link.ask)
                assert await old.ask(link.ask, messages.STATUS, {}, smp.OP_READ) == SEAL_REFUSED

            last = new.around(smp.OP_WRITE, messages.IDENTIFY, messages.identify_request(1))
            new.opened(await _sealed(gateway.ask, last))
        await street.power_cut()
        await street.power_on()
        refusal = await _sealed(gateway.ask, last)
        assert refusal["err"]["rc"] == smp.STREET_ERR_REPLAY
        await _lan_is(gateway.ask, True)
        async with Master(broker.port, post.node) as lan:
            refusal = await _sealed(lan.ask, last)
            assert refusal["err"]["rc"] == smp.STREET_ERR_REPLAY
            await new.status(lan.ask)


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_silent_bus_is_left_for_the_local_network_and_taken_back(tmp_path: Path) -> None:
    async with _lamppost(tmp_path) as (street, gateway, broker):
        post = street.lampposts[0]
        seal = Seal(post.node, post.provision.key_id, post.provision.key)
        assert (await seal.status(gateway.ask))["link"] == BUS
        async with Master(broker.port, post.node) as lan, asyncio.timeout(500):
            post.connect_bus(False)
            while (status := await seal.status(lan.ask))["link"] == BUS:  # noqa: ASYNC110
                await asyncio.sleep(5)
            assert (status["link"], status["link_reason"]) == (LAN, "bus was silent for 120 s")
            post.connect_bus(True)
            while (status := await seal.status(gateway.ask))["link"] == LAN:  # noqa: ASYNC110
                await asyncio.sleep(5)
            assert status["link_reason"] == "bus is preferred and heard again"

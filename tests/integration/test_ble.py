"""Bluetooth LE, whole: unmodified smpclient on a host of its own, the real firmware on air."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bthome_ble import BTHomeBluetoothDeviceData
from bumble.core import AdvertisingData
from bumble.device import Advertisement
from bumble.hci import Address
from habluetooth import BluetoothServiceInfoBleak
from smp.image_management import ImageStatesReadResponse
from smpclient import SMPClient
from smpclient.generics import success
from smpclient.requests.image_management import ImageStatesRead
from smpclient.requests.os_management import EchoWrite, MCUMgrParametersRead
from smpclient.transport import SMPTransportDisconnected
from smpclient.transport.bumble import SMPBumbleTransport
from smpclient.transport.bumble.device import bumble_device

from firmware.build.image import inspect
from protocol import bthome, busframe, configuration, envelope, messages, records, smp
from simulators.lamppost import Lamppost
from simulators.street import Street, StreetPlan
from tests.device.test_node_whole import Gateway

PATIENCE = 60.0
INTERVAL_MS = 100
LINK_BLE = messages.LINK_NAMES.index("ble")


class Phone:
    """Somebody near with smpclient; each has a Bluetooth controller of its own."""

    def __init__(self, street: Street, number: int = 1, mtu: int = 247) -> None:
        self.transport = SMPBumbleTransport(
            hci=_hci(street),
            host_address=Address(f"F0:5C:81:00:00:{number:02X}"),
            preferred_mtu=mtu,
        )
        self._post = street.lampposts[0]
        self.client = SMPClient(self.transport, _name(self._post), timeout_s=20.0)

    async def __aenter__(self) -> SMPClient:
        async with asyncio.timeout(PATIENCE):
            await self.client.connect(connect_timeout_s=PATIENCE)
        return self.client

    async def __aexit__(self, *_: object) -> None:
        await self.client.disconnect()

    async def ask(self, op: int, group: int, command: int, body: dict[str, Any]) -> dict[str, Any]:
        """Any message of ours over smpclient's transport, as it is."""
        sent = smp.pack(op, group, 77, command, body)
        async with asyncio.timeout(PATIENCE):
            return smp.unpack(await self.transport.send_and_receive(sent))[4]

    async def sealed(self, counter: int, command: int, body: dict[str, Any]) -> dict[str, Any]:
        who = self._post.provision
        node = bytes.fromhex(who.node)
        inner = smp.pack(smp.OP_WRITE, smp.GROUP_STREET, 5, command, body)
        seal = envelope.seal(who.key, who.key_id, node, envelope.TO_NODE, counter, inner)
        outer = await self.ask(
            smp.OP_WRITE, smp.GROUP_STREET, messages.SEALED, messages.sealed(seal)
        )
        if "m" not in outer:
            return outer
        keys = {who.key_id: who.key}
        return smp.unpack(envelope.open_sealed(keys, node, envelope.FROM_NODE, outer["m"])[0])[4]


def _hci(street: Street) -> str:
    return f"unix:{street.folder / 'hci'}"


def _name(post: Lamppost) -> str:
    return f"lamp-{post.node[6:]}"


@contextlib.asynccontextmanager
async def _street(
    folder: Path, bits: int = 64, radio: bool = True
) -> AsyncIterator[tuple[Street, Gateway]]:
    """One lamppost that has been told, over its bus, to be on air."""
    plan = StreetPlan(lampposts=1, bits=bits, heap="1M", radio=radio)
    async with Street(folder, plan) as street:
        await street.power_on()
        if street.radio is not None:
            await street.radio.serve_hci(street.folder / "hci")
        gateway = Gateway(street.bus.open_gateway_port(), street.lampposts[0].provision)
        document = configuration.document(1, {"link/ble": 1, "ble/interval": INTERVAL_MS})
        written = {"name": "configuration", "val": document}
        assert await gateway.sealed(smp.OP_WRITE, smp.GROUP_SETTINGS, 0, written) == {}
        assert await gateway.sealed(smp.OP_WRITE, smp.GROUP_OS, smp.OS_RESET, {}) == {}
        try:
            yield street, gateway
        finally:
            gateway.close()


async def _upload(client: SMPClient, image: bytes, stop_at: int | None = None) -> list[int]:
    """The offsets that the lamppost told, until it has all or ``stop_at`` bytes."""
    offsets: list[int] = []
    upload = client.upload(image, first_timeout_s=PATIENCE, subsequent_timeout_s=PATIENCE)
    assert isinstance(upload, AsyncGenerator)
    async with contextlib.aclosing(upload):
        async for offset in upload:
            offsets.append(offset)
            if stop_at is not None and offset >= stop_at:
                break
    return offsets


async def _slots(client: SMPClient) -> dict[int, Any]:
    answer = await client.request(ImageStatesRead())
    assert success(answer), answer
    assert isinstance(answer, ImageStatesReadResponse)
    return {image.slot: image for image in answer.images}


@pytest.mark.parametrize("bits", [64, 32])
async def test_an_unmodified_client_reads_updates_and_commands_a_lamppost(
    tmp_path: Path, bits: int
) -> None:
    async with _street(tmp_path, bits) as (street, gateway):
        phone = Phone(street, mtu=498 if bits == 32 else 247)
        image = street.factory.release("1.1.0")
        async with phone as client:
            echo = await client.request(EchoWrite(d="good evening " * 60))
            assert success(echo)
            assert echo.r == "good evening " * 60
            parameters = await client.request(MCUMgrParametersRead())
            assert success(parameters)
            assert (parameters.buf_size, parameters.buf_count) == (busframe.MAX_PAYLOAD, 1)
            assert phone.transport.max_unencoded_size == busframe.MAX_PAYLOAD

            assert (await _slots(client))[0].version == "1.0.0"
            offsets = await _upload(client, image)
            assert offsets[-1] == len(image)
            assert offsets == sorted(offsets)
            fresh = (await _slots(client))[1]
            assert (fresh.version, fresh.hash) == ("1.1.0", inspect(image).image_hash)

            identify = messages.identify_request(2)
            refused = await phone.ask(
                smp.OP_WRITE, smp.GROUP_STREET, messages.LAMP, messages.lamp_request(30, 60)
            )
            assert smp.error_of(refused) == (smp.GROUP_STREET, smp.STREET_ERR_NOT_SEALED)
            first = await phone.sealed(1 << 30, messages.IDENTIFY, identify)
            assert first == {}
            repeated = await phone.sealed((1 << 30) - 1, messages.IDENTIFY, identify)
            assert smp.error_of(repeated) == (smp.GROUP_STREET, smp.STREET_ERR_REPLAY)
        answer = await gateway.ask(smp.OP_READ, smp.GROUP_STREET, messages.LINKS, {})
        ble = {row[0]: row for row in messages.parse_links_reply(answer)[2]}[LINK_BLE]
        assert (ble[1], ble[3]) == (True, 0), "up, and no message refused"


async def test_an_upload_goes_on_where_a_lost_connection_left_it(tmp_path: Path) -> None:
    async with _street(tmp_path) as (street, _):
        image = street.factory.release("1.1.0")
        async with Phone(street) as client:
            before = await _upload(client, image, len(image) // 2)
        # Another phone, and two at once: neither sees the other's replies.
        one, two = Phone(street, 2), Phone(street, 3, mtu=23)
        async with one as client, two as other:
            talking = asyncio.create_task(_talks(other))
            after = await _upload(client, image)
            await talking
            assert after[0] >= before[-1]
            assert after[-1] == len(image)
            assert (await _slots(other))[1].version == "1.1.0"


async def test_whoever_writes_rubbish_is_passed_over_and_the_others_are_served(
    tmp_path: Path,
) -> None:
    async with _street(tmp_path) as (street, gateway):
        one, two = Phone(street, 1), Phone(street, 2)
        before = await gateway.status()
        async with one, two as other:
            whole = smp.pack(smp.OP_WRITE, smp.GROUP_OS, 1, smp.OS_ECHO, {"d": "x" * 300})
            for rubbish in (
                whole[:7],  # a header that does not end
                whole[:200],  # a message that does not end
                smp.pack_header(smp.OP_WRITE, 0, 1, 0, 0xFFFF) + bytes(5000),  # nor ever would
                b"\xff" * 2000,
            ):
                await one.transport.send(rubbish)
                await _echoes(other, "still here")
        # What the one before it left unfinished is not taken for the beginning of its message.
        async with Phone(street, 3) as third:
            await _echoes(third, "all well")
        after = await gateway.status()
        assert (after["task_restarts"], after["level"]) == (before["task_restarts"], 100)
        answer = await gateway.ask(smp.OP_READ, smp.GROUP_STREET, messages.LINKS, {})
        ble = {row[0]: row for row in messages.parse_links_reply(answer)[2]}[LINK_BLE]
        assert ble[3] > 0, "it is told how many were refused"


async def _talks(client: SMPClient) -> None:
    for number in range(10):
        await _echoes(client, f"number {number} " * 20)


async def _echoes(client: SMPClient, text: str) -> None:
    answer = await client.request(EchoWrite(d=text))
    assert success(answer)
    assert answer.r == text


async def test_a_power_cut_is_noticed_and_the_lamppost_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # For half a minute Bumble would wait for the dead to say goodbye.
    monkeypatch.setattr("bumble.gatt_client.GATT_REQUEST_TIMEOUT", 2)
    async with _street(tmp_path) as (street, _):
        phone = Phone(street)
        async with phone as client:
            await _echoes(client, "on")
            await street.power_cut()
            with pytest.raises((SMPTransportDisconnected, TimeoutError)):
                async with asyncio.timeout(PATIENCE):
                    await phone.ask(smp.OP_WRITE, smp.GROUP_OS, smp.OS_ECHO, {"d": "off"})
        await street.power_on()
        async with Phone(street, 2) as client:
            await _echoes(client, "on again")


async def test_a_listener_with_the_bind_key_follows_the_adverts_over_a_power_cut(
    tmp_path: Path,
) -> None:
    async with _street(tmp_path) as (street, _):
        post = street.lampposts[0]
        who = post.provision
        key = bthome.bind_key(who.key, bytes.fromhex(who.node))
        heard: list[bytes] = []

        def hear(advert: Advertisement) -> None:
            if advert.data.get(AdvertisingData.COMPLETE_LOCAL_NAME) not in (None, _name(post)):
                return
            for uuid, data in advert.data.get_all(AdvertisingData.SERVICE_DATA_16_BIT_UUID):
                assert uuid.to_bytes() == b"\xd2\xfc"
                if not heard or heard[-1] != data:
                    heard.append(bytes(data))

        async with bumble_device(hci=_hci(street)) as device:
            device.on("advertisement", hear)
            await device.start_scanning()
            await _until(lambda: len(heard) >= 2)
            await street.power_cut()
            count = len(heard)
            await street.power_on()
            await _until(lambda: len(heard) >= count + 2)

        parser = BTHomeBluetoothDeviceData(bindkey=key)
        for second, data in enumerate(heard):
            update = parser.update(_service_info(post.radio_address, data, second))
            assert parser.bindkey_verified
            values = {
                key.key: value.native_value for key, value in update.binary_entity_values.items()
            }
            assert values == {"power": True}, "the lamp is lit: nobody has told it the time"
        counters = [int.from_bytes(data[-8:-4], "little") for data in heard]
        assert counters == sorted(set(counters))
        assert counters[count] - counters[count - 1] > 100, "the rest of the block is left"
        stranger = BTHomeBluetoothDeviceData(bindkey=who.key)
        stranger.update(_service_info(post.radio_address, heard[0], 0))
        assert not stranger.bindkey_verified


def _service_info(address: bytes, data: bytes, second: int) -> BluetoothServiceInfoBleak:
    return BluetoothServiceInfoBleak(
        name="lamp",
        address=":".join(f"{byte:02X}" for byte in address),
        rssi=-60,
        manufacturer_data={},
        service_data={"0000fcd2-0000-1000-8000-00805f9b34fb": data},
        service_uuids=[],
        source="",
        device=None,  # type: ignore[arg-type]
        advertisement=None,
        connectable=True,
        time=float(second),
        tx_power=None,
    )


async def test_without_a_radio_the_rest_of_the_node_goes_on_and_says_so(tmp_path: Path) -> None:
    async with _street(tmp_path, radio=False) as (_, gateway):
        async with asyncio.timeout(PATIENCE):
            while not (await gateway.status())["task_restarts"]:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        status = await gateway.status()
        assert status["level"] == 100
        request = messages.readings_request(status["epoch"], 0, 1024)
        answer = await gateway.ask(smp.OP_READ, smp.GROUP_STREET, messages.READINGS, request)
        events = [
            fields["code"]
            for fields in map(records.to_dict, answer["r"])
            if fields["kind"] == "event"
        ]
        assert records.EVENT_TASK_RESTARTED in events


async def _until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - adverts have no event to wait for
            await asyncio.sleep(0.05)

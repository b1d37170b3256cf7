"""Scripted lampposts on air: adverts and the SMP service as the firmware has them."""

# Bumble leaves the type of an attribute's value open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from bumble import hci
from bumble.core import UUID
from bumble.device import AdvertisingType, Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service

from gateway.ble.adverts import SMP_CHARACTERISTIC, SMP_SERVICE
from protocol import bthome, smp
from simulators.radio.air import Air, AirController
from tests.integration.gateway.fake_node import FakeNode

INTERVAL_MS = 100
_SHOWN_S = 0.3


class AirNode:
    """`node` within Bluetooth range; `off` takes its power."""

    def __init__(self, air: Air, node: FakeNode) -> None:
        self.node = node
        number = int.from_bytes(node.id, "big") + 2
        self.address = number.to_bytes(6, "big")
        public = hci.Address.PUBLIC_DEVICE_ADDRESS
        address = hci.Address(bytes(reversed(self.address)), public)
        self._controller = AirController(node.hex, air, address)
        self._device = Device.with_hci(node.hex, address, self._controller, self._controller)
        self._counter = 4096
        self._pending: dict[int, bytes] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        properties = Characteristic.Properties
        self._value = Characteristic(
            UUID(SMP_CHARACTERISTIC),
            properties.WRITE_WITHOUT_RESPONSE | properties.NOTIFY,
            Characteristic.WRITEABLE,
            CharacteristicValue[bytes](write=self._written),
        )
        self._device.add_service(Service(UUID(SMP_SERVICE), [self._value]))

    async def on(self) -> None:
        await self._device.power_on()
        self._keep(self._advertise())

    def off(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._controller.vanish()

    async def _advertise(self) -> None:
        # While somebody is connected too, as the firmware does.
        while True:
            await self._show()
            await asyncio.sleep(_SHOWN_S)

    async def _show(self) -> None:
        self._counter += 1
        key = bthome.bind_key(self.node.key, self.node.id)
        lit = bthome.pack(bthome.POWER_ON, 1)
        data = bthome.seal(key, self.address, self._counter, lit)
        name = b"lamp-" + self.node.hex[6:].encode()
        service = bytes(UUID(SMP_SERVICE))
        await self._device.start_advertising(
            advertising_type=AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE,
            own_address_type=hci.OwnAddressType.PUBLIC,
            advertising_data=b"\x02\x01\x06" + bytes((len(data) + 1, 0x16)) + data,
            scan_response_data=b"\x11\x07" + service + bytes((len(name) + 1, 0x09)) + name,
            advertising_interval_min=INTERVAL_MS,
            advertising_interval_max=INTERVAL_MS,
        )

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _written(self, connection: Connection, value: bytes) -> None:
        pending = self._pending.get(connection.handle, b"") + value
        size = smp.HEADER_SIZE + int.from_bytes(pending[2:4], "big")
        if len(pending) < size:
            self._pending[connection.handle] = pending
            return
        self._pending.pop(connection.handle, None)
        reply = self.node.answer(pending[:size])
        if reply is not None:
            self._keep(self._reply(connection, reply))

    async def _reply(self, connection: Connection, reply: bytes) -> None:
        size = connection.att_mtu - 3
        for at in range(0, len(reply), size):
            await self._device.gatt_server.notify_subscriber(
                connection, self._value, reply[at : at + size], force=True
            )

"""bleak over Bumble: a Bluetooth adapter that is on the air of a simulated street.

Scanner and client are bleak's own, with a backend of ours in the place of BlueZ's; what they raise
is what bleak raises. An adapter is a unix socket at which a street gives out Bluetooth controllers
(``StreetRadio.serve_hci``).
"""

# Bumble leaves much of its types open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeArgument=false
import asyncio
import contextlib
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from bleak import BleakClient, BleakScanner
from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError, BleakGATTProtocolError, BleakGATTProtocolErrorCode
from bleak.uuids import normalize_uuid_str
from bumble import att, core, hci
from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.transport import open_transport
from bumble.transport.common import Transport

_MTU = 247
_MOST_SEEN = 256
# Bumble keeps what is written without limit; the socket of BlueZ would make the writer wait.
_MOST_QUEUED = 32
_NUMBERS = itertools.count(1)


class BumbleAdapter:
    """An adapter whose controller is at the unix socket ``name``.

    See :class:`gateway.ble.adapter.Adapter`. It is there from :meth:`prepare` on, and again after
    its street was away.
    """

    by_descriptor = True

    def __init__(self, name: str) -> None:
        self.name = name
        self._transport: Transport | None = None
        self._device: Device | None = None
        self.connecting = asyncio.Lock()
        self.scanners: set[_Scanner] = set()
        self.clients: set[_Client] = set()

    @property
    def device(self) -> Device:
        """Bumble's host; raises BleakError while there is none."""
        if self._device is None:
            raise BleakError(f"adapter '{self.name}' not found")
        return self._device

    async def prepare(self) -> None:
        """Open the socket, unless it is open."""
        if await self.still_there():
            return
        await self.close()
        transport = self._transport = await open_transport(f"unix:{self.name}")
        address = hci.Address(f"F0:5C:81:FF:00:{next(_NUMBERS) % 256:02X}")
        device = Device.with_hci("gateway", address, transport.source, transport.sink)
        try:
            await device.power_on()
        except BaseException:
            await self.close()
            raise
        self._device = device
        transport.source.terminated.add_done_callback(lambda _: self._lost())

    async def still_there(self) -> bool:
        """Whether the street's end is open."""
        transport = self._transport
        if self._device is None or transport is None:
            return False
        terminated = transport.source.terminated
        return not terminated.done()

    async def power_cycle(self) -> None:
        """Open the socket anew."""
        await self.close()
        await self.prepare()

    async def close(self) -> None:
        """Give the controller back."""
        transport, self._transport, self._device = self._transport, None, None
        self._lost()
        if transport is not None:
            with contextlib.suppress(OSError, asyncio.InvalidStateError):
                await transport.close()

    def _lost(self) -> None:
        for client in list(self.clients):
            client.ended()

    def scanner(
        self,
        hear: Callable[[BLEDevice, AdvertisementData], None],
        mode: Literal["active", "passive"],
    ) -> BleakScanner:
        """See :class:`gateway.ble.adapter.Adapter`."""
        backend = type("BumbleScanner", (_Scanner,), {"adapter": self})
        return BleakScanner(hear, scanning_mode=mode, backend=backend)

    def client(self, device: BLEDevice, gone: Callable[[], None], timeout_s: float) -> BleakClient:
        """See :class:`gateway.ble.adapter.Adapter`."""
        backend = type("BumbleClient", (_Client,), {"adapter": self})
        return BleakClient(device, lambda _: gone(), timeout=timeout_s, backend=backend)


class _Scanner(BaseBleakScanner):
    adapter: BumbleAdapter

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: Literal["active", "passive"] = "active",
        **_: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._active = scanning_mode == "active"
        self._device: Device | None = None

    async def start(self) -> None:
        self.seen_devices = {}
        self._device = self.adapter.device
        self._device.on("advertisement", self._hear)
        self.adapter.scanners.add(self)
        if len(self.adapter.scanners) == 1:
            await self._device.start_scanning(active=self._active, filter_duplicates=False)

    async def stop(self) -> None:
        device, self._device = self._device, None
        if device is None:
            return
        device.remove_listener("advertisement", self._hear)
        self.adapter.scanners.discard(self)
        if not self.adapter.scanners:
            try:
                await device.stop_scanning()
            except (core.BaseBumbleError, asyncio.InvalidStateError) as error:
                raise BleakError(f"cannot stop scanning: {error!r}") from error

    def _hear(self, advert: Advertisement) -> None:
        found = _parse(advert.data)
        address = advert.address.to_string(False)
        before = self.seen_devices.get(address)
        if before is not None:
            # As BlueZ: advert and scan response are one device's properties.
            known = before[1]
            found["local_name"] = found["local_name"] or known.local_name
            found["service_uuids"] = found["service_uuids"] or known.service_uuids
            found["service_data"] = {**known.service_data, **found["service_data"]}
        elif len(self.seen_devices) >= _MOST_SEEN:
            self.seen_devices.pop(next(iter(self.seen_devices)))
        data = AdvertisementData(
            manufacturer_data={}, tx_power=None, rssi=advert.rssi, platform_data=(advert,), **found
        )
        device = self.create_or_update_device(
            address, address, data.local_name, advert.address, data
        )
        self.call_detection_callbacks(device, data)


def _parse(data: AdvertisingData) -> dict[str, Any]:
    name: str | None = None
    uuids: list[str] = []
    services: dict[str, bytes] = {}
    for kind, body in data.ad_structures:
        if kind in (AdvertisingData.COMPLETE_LOCAL_NAME, AdvertisingData.SHORTENED_LOCAL_NAME):
            name = body.decode(errors="replace")
        elif kind == AdvertisingData.SERVICE_DATA_16_BIT_UUID and len(body) >= 2:
            services[_uuid(UUID.from_bytes(body[:2]))] = body[2:]
        elif kind in (
            AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
            AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
        ):
            uuids += [
                _uuid(UUID.from_bytes(body[at : at + 16])) for at in range(0, len(body) - 15, 16)
            ]
    return {"local_name": name, "service_uuids": uuids, "service_data": services}


def _uuid(uuid: UUID) -> str:
    text = uuid.to_hex_str("-") if len(uuid.uuid_bytes) == 16 else uuid.to_hex_str()
    return normalize_uuid_str(text.lower())


class _Client(BaseBleakClient):
    adapter: BumbleAdapter

    def __init__(self, address_or_ble_device: BLEDevice | str, **kwargs: Any) -> None:
        super().__init__(
            address_or_ble_device,
            disconnected_callback=kwargs.get("disconnected_callback"),
            timeout=kwargs.get("timeout", 10.0),
        )
        if not isinstance(address_or_ble_device, BLEDevice):
            raise BleakError("expected a device that the scanner has found")
        self._peer_address: hci.Address = address_or_ble_device.details
        self._connection: Connection | None = None
        self._peer: Peer | None = None

    @property
    def name(self) -> str:
        return self.address

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    @property
    def mtu_size(self) -> int:
        return 23 if self._connection is None else self._connection.att_mtu

    async def connect(self, pair: bool, **_: Any) -> None:
        if pair:
            raise BleakError("there is no pairing here")
        device = self.adapter.device
        try:
            # One connection is begun at a time, as in every controller.
            async with asyncio.timeout(2 * self._timeout), self.adapter.connecting:
                self._connection = connection = await self._connect(device)
                self.adapter.clients.add(self)
                connection.on("disconnection", self.ended)
                self._peer = peer = Peer(connection)
                await self._ask(peer.request_mtu(_MTU))
                self.services = await self._ask(self._discover(peer))
        except BaseException as error:
            await self.disconnect()
            if isinstance(error, core.BaseBumbleError | asyncio.InvalidStateError):
                raise BleakError(f"failed to connect: {error!r}") from error
            raise

    async def _connect(self, device: Device) -> Connection:
        try:
            return await device.connect_le(self._peer_address, timeout=self._timeout)
        except core.TimeoutError:
            raise TimeoutError from None
        except asyncio.CancelledError:
            # Else the controller would connect some time later, to nobody.
            with contextlib.suppress(core.BaseBumbleError):
                await device.cancel_connection()
            raise

    async def _discover(self, peer: Peer) -> BleakGATTServiceCollection:
        found = BleakGATTServiceCollection()
        for service in await peer.discover_services():
            ours = BleakGATTService(service, service.handle, _uuid(service.uuid))
            found.add_service(ours)
            for one in await service.discover_characteristics():
                characteristic = BleakGATTCharacteristic(
                    one,
                    one.handle,
                    _uuid(one.uuid),
                    list(gatt_char_props_to_strs(int(one.properties))),
                    lambda: self.mtu_size - 3,
                    ours,
                )
                found.add_characteristic(characteristic)
                for descriptor in await one.discover_descriptors():
                    found.add_descriptor(
                        BleakGATTDescriptor(
                            descriptor, descriptor.handle, _uuid(descriptor.type), characteristic
                        )
                    )
        return found

    def ended(self, _reason: int = 0) -> None:
        """The connection is gone."""
        self.adapter.clients.discard(self)
        if self._connection is None:
            return
        self._connection = self._peer = self.services = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            await connection.disconnect()
        except core.BaseBumbleError as error:
            raise BleakError(f"failed to disconnect: {error!r}") from error
        finally:
            self.ended()

    async def _ask(self, call: Coroutine[Any, Any, Any]) -> Any:
        """What a call of Bumble's gives, its errors made bleak's."""
        task = asyncio.current_task()
        try:
            return await call
        except att.ATT_Error as error:
            code = BleakGATTProtocolErrorCode(error.error_code)
            raise BleakGATTProtocolError(code) from error
        except core.BaseBumbleError as error:
            raise BleakError(f"failed: {error!r}") from error
        except asyncio.CancelledError:
            # Bumble cancels what waits for a peer that is gone.
            if task is not None and task.cancelling():
                raise
            raise BleakError("disconnected") from None

    def _there(self) -> Peer:
        if self._peer is None:
            raise BleakError("Not connected")
        return self._peer

    async def pair(self, *_: Any, **__: Any) -> None:
        raise BleakError("there is no pairing here")

    async def unpair(self) -> None:
        raise BleakError("there is no pairing here")

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        peer = self._there()
        return bytearray(await self._ask(peer.gatt_client.read_value(characteristic.handle)))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        peer = self._there()
        return bytearray(await self._ask(peer.gatt_client.read_value(descriptor.handle)))

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: Any, response: bool
    ) -> None:
        peer = self._there()
        value = bytes(data)
        if not response and len(value) > characteristic.max_write_without_response_size:
            raise BleakError(f"{len(value)} bytes are too many for a write without response")
        await self._ask(peer.gatt_client.write_value(characteristic.handle, value, response))
        queue = self.adapter.device.host.le_acl_packet_queue
        if queue is not None and queue.pending > _MOST_QUEUED and self._connection is not None:
            await self._ask(queue.drain(self._connection.handle))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: Any) -> None:
        peer = self._there()
        await self._ask(peer.gatt_client.write_value(descriptor.handle, bytes(data), True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_: Any
    ) -> None:
        self._there()

        def notified(value: bytes) -> None:
            callback(bytearray(value))

        await self._ask(characteristic.obj.subscribe(notified))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        self._there()
        await self._ask(characteristic.obj.unsubscribe())

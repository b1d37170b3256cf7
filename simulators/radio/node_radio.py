"""The Bluetooth half of one chip: a Bumble host and controller that the node's calls are put to."""

# Bumble leaves the type of an attribute's value open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
import asyncio
import errno
import json
from collections.abc import Callable

from bumble import hci
from bumble.att import Attribute
from bumble.core import UUID
from bumble.device import AdvertisingType, Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service

from simulators.radio import wire
from simulators.radio.air import Air, AirController
from simulators.radio.wire import Event, Request

# What the ESP32's host has room for before it refuses a notification.
_BUFFERS = 12
_DEFAULT_MTU = 256

# Flags of MicroPython's bluetooth module.
_PROPERTIES = {
    0x02: Characteristic.Properties.READ,
    0x04: Characteristic.Properties.WRITE_WITHOUT_RESPONSE,
    0x08: Characteristic.Properties.WRITE,
    0x10: Characteristic.Properties.NOTIFY,
    0x20: Characteristic.Properties.INDICATE,
}


class NodeRadio:
    """See :class:`simulators.peripherals.UartEnd`; its bytes are the frames of ``wire``.

    Args:
        air: where it is heard.
        address: its public address, 6 bytes as they are written.
        send: takes bytes to the chip.
    """

    def __init__(self, air: Air, address: bytes, send: Callable[[bytes], None]) -> None:
        self._air = air
        self._address = hci.Address(bytes(reversed(address)), hci.Address.PUBLIC_DEVICE_ADDRESS)
        self._send = send
        self._frames = wire.Frames()
        self._requests: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self._controller: AirController | None = None
        self._device: Device | None = None
        self._mtu = _DEFAULT_MTU
        self._name = "ESP32"
        self._closed = False
        self._tell(Event.HELLO, b"\0" + address)
        self._worker = asyncio.create_task(self._work(), name=f"radio {address.hex()}")

    def receive(self, data: bytes) -> None:
        """Take bytes of requests."""
        for request in self._frames.feed(data):
            self._requests.put_nowait(request)

    def close(self) -> None:
        """The chip is gone, and says no goodbye to its peers."""
        self._closed = True
        self._worker.cancel()
        if self._controller is not None:
            self._controller.vanish()
            self._controller = None

    # ------------------------------------------------------------------------------- requests

    async def _work(self) -> None:
        while True:
            kind, body = await self._requests.get()
            code, answer = 0, b""
            try:
                answer = await self._do(Request(kind), body)
            except OSError as error:
                code = error.errno or errno.EIO
            except (ValueError, KeyError, hci.HCI_Error):
                code = errno.EINVAL
            task = asyncio.current_task()
            if self._closed or (task is not None and task.cancelling()):
                # Bumble waits by asyncio.wait_for: before Python 3.12 that may lose a cancellation.
                return
            self._tell(Event.REPLY, bytes([code]) + answer)

    async def _do(self, kind: Request, body: bytes) -> bytes:
        if kind is Request.ACTIVE:
            await self._activate(bool(body[0]))
        elif kind is Request.CONFIGURE:
            self._mtu = wire.HANDLE.unpack_from(body)[0]
            self._name = body[wire.HANDLE.size :].decode()
            self._configure()
        elif kind is Request.SERVICES:
            return self._register(body)
        elif kind is Request.ADVERTISE:
            await self._advertise(body)
        elif kind is Request.QUIET:
            await self._active().stop_advertising()
        elif kind is Request.NOTIFY:
            connection, handle = wire.HANDLES.unpack_from(body)
            await self._notify(connection, handle, body[wire.HANDLES.size :])
        else:
            connection = self._active().connections.get(wire.HANDLE.unpack(body)[0])
            if connection is None:
                return b"\0"
            await connection.disconnect()
            return b"\1"
        return b""

    async def _activate(self, on: bool) -> None:
        device, controller = self._device, self._controller
        if device is not None and controller is not None:
            for connection in list(device.connections.values()):
                await connection.disconnect()
            controller.vanish()
            self._device = self._controller = None
        if not on:
            return
        controller = AirController("node", self._air, self._address)
        device = Device.with_hci(self._name, self._address, controller, controller)
        device.on("connection", self._connected)
        self._controller, self._device = controller, device
        self._configure()
        await device.power_on()

    def _active(self) -> Device:
        if self._device is None:
            raise OSError(errno.ENODEV, "the radio is not active")
        return self._device

    def _configure(self) -> None:
        if self._device is not None:
            self._device.gatt_server.max_mtu = self._mtu
            self._device.name = self._name

    def _register(self, body: bytes) -> bytes:
        server = self._active().gatt_server
        handles = b""
        for uuid, characteristics in json.loads(body):
            made = [self._characteristic(UUID(text), flags) for text, flags in characteristics]
            server.add_service(Service(UUID(uuid), made))
            handles += b"".join(wire.HANDLE.pack(one.handle) for one in made)
        return handles

    def _characteristic(self, uuid: UUID, flags: int) -> Characteristic[bytes]:
        properties = Characteristic.Properties(0)
        for bit, one in _PROPERTIES.items():
            if flags & bit:
                properties |= one
        made: list[Characteristic[bytes]] = []

        def written(connection: Connection, value: bytes) -> None:
            head = wire.HANDLES.pack(connection.handle, made[0].handle)
            self._tell(Event.GATTS_WRITE, head + value)

        made.append(
            Characteristic(
                uuid,
                properties,
                Attribute.Permissions.WRITEABLE if flags & 0x0C else Attribute.Permissions(0),
                CharacteristicValue[bytes](write=written),
            )
        )
        return made[0]

    async def _advertise(self, body: bytes) -> None:
        interval_us, connectable, size = wire.ADVERT.unpack_from(body)
        advert = body[wire.ADVERT.size :][:size]
        response = body[wire.ADVERT.size + size :]
        kind = AdvertisingType.UNDIRECTED
        if connectable:
            kind = AdvertisingType.UNDIRECTED_CONNECTABLE_SCANNABLE
        elif response:
            kind = AdvertisingType.UNDIRECTED_SCANNABLE
        await self._active().start_advertising(
            advertising_type=kind,
            own_address_type=hci.OwnAddressType.PUBLIC,
            advertising_data=advert,
            scan_response_data=response,
            advertising_interval_min=interval_us / 1000,
            advertising_interval_max=interval_us / 1000,
        )

    async def _notify(self, connection: int, handle: int, value: bytes) -> None:
        device = self._active()
        bearer = device.connections.get(connection)
        attribute = device.gatt_server.get_attribute(handle)
        if bearer is None:
            raise OSError(errno.ENOTCONN, "no such connection")
        if attribute is None:
            raise OSError(errno.EINVAL, "no such handle")
        queue = device.host.le_acl_packet_queue
        if queue is not None and queue.pending >= _BUFFERS:
            raise OSError(errno.ENOMEM, "no buffers")
        # Forced: MicroPython does not look whether the peer has asked for it.
        await device.gatt_server.notify_subscriber(bearer, attribute, value, force=True)

    # --------------------------------------------------------------------------------- events

    def _connected(self, connection: Connection) -> None:
        peer = connection.peer_address
        body = wire.PEER.pack(
            connection.handle, int(not peer.is_public), bytes(reversed(bytes(peer)))
        )
        self._tell(Event.CENTRAL_CONNECT, body)

        def ended(_reason: int) -> None:
            self._tell(Event.CENTRAL_DISCONNECT, body)

        connection.on("disconnection", ended)
        connection.on(
            "connection_att_mtu_update",
            lambda: self._tell(
                Event.MTU_EXCHANGED, wire.HANDLES.pack(connection.handle, connection.att_mtu)
            ),
        )

    def _tell(self, kind: Event, body: bytes) -> None:
        if not self._closed:
            self._send(wire.frame(kind, body))

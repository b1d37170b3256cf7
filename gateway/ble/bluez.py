"""Adapters of this machine: bleak's own backend, over D-Bus to bluetoothd."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final

from bleak import BleakClient, BleakScanner
from bleak.args.bluez import OrPattern
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.bluezdbus.utils import assert_reply, get_dbus_authenticator
from bleak.backends.device import BLEDevice
from bleak.exc import BleakDBusError, BleakError
from dbus_fast import BusType, Message, Variant
from dbus_fast.aio import MessageBus

from gateway.ble.adapter import Hear, ScanMode
from gateway.ble.adverts import SMP_SERVICE

_BLUEZ: Final = "org.bluez"
_ADAPTER: Final = "org.bluez.Adapter1"
_CALL_S: Final = 10.0
# A USB adapter comes back after being switched off; BlueZ says Busy meanwhile.
_OFF_S: Final = 1.0
_BUSY_RETRY_S: Final = 0.5
_BUSY_ATTEMPTS: Final = 10
# Service data of the 16-bit UUID 0xFCD2: a passive scan gives only adverts that begin so.
_BTHOME_PATTERN: Final = OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, b"\xd2\xfc")


class BluezAdapter:
    """The adapter `name` (hci0, ..) of this machine. See `adapter.Adapter`."""

    def __init__(self, name: str) -> None:
        self.name = name
        # Descriptors are passed through a unix socket only.
        self.by_descriptor = not os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", "").startswith("tcp:")
        self._path = f"/org/bluez/{name}"
        self._bus: MessageBus | None = None
        self._owner: str | None = None

    async def prepare(self) -> None:
        """Find it, and switch it on."""
        self._owner = await self._owner_now()
        if not (await self._properties())["Powered"].value:
            await self.switch(True)

    def scanner(self, hear: Hear, mode: ScanMode) -> BleakScanner:
        """See `adapter.Adapter`."""
        if mode == "passive":
            return BleakScanner(
                hear,
                scanning_mode="passive",
                bluez={"adapter": self.name, "or_patterns": [_BTHOME_PATTERN]},
            )
        return BleakScanner(
            hear,
            service_uuids=[SMP_SERVICE],
            scanning_mode="active",
            # Each advert counts, also one that says nothing new.
            bluez={"adapter": self.name, "filters": {"DuplicateData": True}},
        )

    def client(self, device: BLEDevice, gone: Callable[[], None], timeout_s: float) -> BleakClient:
        """See `adapter.Adapter`."""
        return BleakClient(
            device,
            lambda _: gone(),
            services=[SMP_SERVICE],
            timeout=timeout_s,
            bluez={"adapter": self.name},
        )

    async def still_there(self) -> bool:
        """Whether bluetoothd is the same as at `prepare`, and the adapter switched on."""
        if await self._owner_now() != self._owner:
            return False
        return bool((await self._properties())["Powered"].value)

    async def power_cycle(self) -> None:
        """By BlueZ; where that does not help, by the kernel, which needs CAP_NET_ADMIN."""
        try:
            await self.switch(False)
            await asyncio.sleep(_OFF_S)
            await self.switch(True)
        except (BleakError, OSError, EOFError, TimeoutError) as error:
            if not await self._reset():
                raise BleakError(f"{self.name} cannot be switched off and on: {error}") from error

    async def close(self) -> None:
        """Leave D-Bus."""
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.disconnect()

    async def _reset(self) -> bool:
        # Not at the top: it is large, and hardly ever needed.
        from bluetooth_auto_recovery import recover_adapter

        try:
            address = str((await self._properties())["Address"].value)
        except (BleakError, OSError, EOFError, TimeoutError):
            address = "00:00:00:00:00:00"
        number = self.name.removeprefix("hci")
        return await recover_adapter(int(number), address) if number.isdigit() else False

    async def switch(self, on: bool) -> None:
        """Switch it on or off, by BlueZ."""
        for attempt in range(_BUSY_ATTEMPTS):
            try:
                await self._call(
                    self._path,
                    "org.freedesktop.DBus.Properties",
                    "Set",
                    "ssv",
                    [_ADAPTER, "Powered", Variant("b", on)],
                )
            except BleakDBusError as error:
                busy = error.dbus_error in ("org.bluez.Error.Busy", "org.bluez.Error.InProgress")
                if not busy or attempt == _BUSY_ATTEMPTS - 1:
                    raise
                await asyncio.sleep(_BUSY_RETRY_S)
            else:
                return

    async def _properties(self) -> dict[str, Variant]:
        body = await self._call(
            self._path, "org.freedesktop.DBus.Properties", "GetAll", "s", [_ADAPTER]
        )
        return body[0]

    async def _owner_now(self) -> str:
        body = await self._call(
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "GetNameOwner",
            "s",
            [_BLUEZ],
            destination="org.freedesktop.DBus",
        )
        return body[0]

    async def _call(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str,
        body: list[Any],
        destination: str = _BLUEZ,
    ) -> list[Any]:
        async with asyncio.timeout(_CALL_S):
            bus = self._bus
            if bus is None or not bus.connected:
                bus = MessageBus(bus_type=BusType.SYSTEM, auth=get_dbus_authenticator())
                self._bus = await bus.connect()
            reply = await bus.call(
                Message(
                    destination=destination,
                    path=path,
                    interface=interface,
                    member=member,
                    signature=signature,
                    body=body,
                )
            )
        assert_reply(reply)
        return reply.body

"""A Bluetooth adapter, as the rest sees it; who puts the gateway together says whose it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

ScanMode = Literal["active", "passive"]
Hear = Callable[[BLEDevice, AdvertisementData], None]


class Adapter(Protocol):
    """One adapter. All its methods may raise what `remedies.FAILURES` lists."""

    @property
    def name(self) -> str:
        """Its name in the configuration, such as hci0."""
        ...

    @property
    def by_descriptor(self) -> bool:
        """Whether notifications may come through a file descriptor, where none is lost."""
        ...

    async def prepare(self) -> None:
        """Make it ready to scan: there, and switched on."""
        ...

    def scanner(self, hear: Hear, mode: ScanMode) -> BleakScanner:
        """A scanner that gives every advert of a lamppost, at least, to `hear`."""
        ...

    def client(self, device: BLEDevice, gone: Callable[[], None], timeout_s: float) -> BleakClient:
        """A client for a device that this adapter's scanner has found; `gone` when it is lost."""
        ...

    async def still_there(self) -> bool:
        """Whether it is the same that was prepared last, and switched on."""
        ...

    async def power_cycle(self) -> None:
        """Switch it off and on again."""
        ...

    async def close(self) -> None:
        """Give back what it holds; `prepare` takes it again."""
        ...


OpenAdapter = Callable[[str], Adapter]
"""Gives the adapter of that name; it need not be there yet."""

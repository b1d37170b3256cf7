"""How many files go out at once, by link."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from gateway.lampposts.lamppost import Lamppost


class Slots:
    """Upload slots: of each bus its own, and those of the local network and of Bluetooth.

    buses: how many by name of the bus; lan, ble: how many.
    """

    def __init__(self, buses: Mapping[str, int], lan: int, ble: int) -> None:
        self._buses = {name: asyncio.Semaphore(count) for name, count in buses.items()}
        self._lan = asyncio.Semaphore(lan)
        self._ble = asyncio.Semaphore(ble)

    def of_bus(self, name: str) -> asyncio.Semaphore:
        """Those of the bus `name`."""
        return self._buses[name]

    def of(self, lamppost: Lamppost) -> asyncio.Semaphore:
        """Those of the link that is used to `lamppost` now."""
        match lamppost.session.route.best.kind:
            case "bus":
                if lamppost.bus is None:
                    raise AssertionError(f"{lamppost.id} has a channel by bus, and no bus")
                return self._buses[lamppost.bus]
            case "lan":
                return self._lan
            case "ble":
                return self._ble

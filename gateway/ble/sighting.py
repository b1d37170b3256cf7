"""That one adapter hears somebody: without it nobody can be connected to."""

from __future__ import annotations

from dataclasses import dataclass

from bleak.backends.device import BLEDevice


@dataclass(frozen=True, slots=True)
class Sighting:
    """The newest advert of one sender at one adapter. rssi: dBm. at: machine time, s."""

    device: BLEDevice
    rssi: int
    at: float

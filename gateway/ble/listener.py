"""Everybody's ears: adverts that come in by any adapter, matched to lampposts.

A lamppost is known by the address it advertises from: the one configured, else the one an ESP32
makes of its node id, else that from which an advert came which opens with its bind key. Live values
are taken only from adverts that open, each counter once and never backwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from gateway.ble.adverts import NAME_BEGINS, Advert, advert_of, open_values
from gateway.ble.sighting import Sighting
from gateway.ble.strangers import Strangers
from protocol import bthome

# An ESP32's Bluetooth address is its first one, which is the node id, and two more (ESP-IDF,
# "Miscellaneous System APIs", MAC address).
_BLUETOOTH_OFFSET: Final = 2
# A lamppost counts its adverts one by one; after a restart it goes on at the next block of 4096.
_RESTART_GAP: Final = 100
_AWAY_S: Final = 60.0
_NEVER: Final = float("-inf")


@dataclass(slots=True)
class Live:
    """What a lamppost said last in its adverts; never a reading, and gone with the process.

    values: as `adverts.open_values` has them. counter: of the newest advert. rssi: dBm.
    heard: machine time of the newest, s.
    """

    values: dict[str, float | bool] = field(default_factory=dict[str, float | bool])
    counter: int = -1
    rssi: int = -127
    heard: float = _NEVER


class Listened:
    """One lamppost of ours, as its adverts show it."""

    def __init__(self, node: bytes, key: bytes, address: str | None) -> None:
        self.node = node
        self.name = NAME_BEGINS + node.hex()[6:]
        self.address = (address or address_of(node)).upper()
        self.fixed = address is not None
        self.bind_key = bthome.bind_key(key, node)
        self.live = Live()
        self.sightings: dict[str, Sighting] = {}

    def rekey(self, key: bytes) -> None:
        """It has another key (16 bytes) now."""
        self.bind_key = bthome.bind_key(key, self.node)


class Listener:
    """Takes adverts of all adapters. machine_time: seconds that only grow.

    Counters: `adverts` heard, `fresh` opened and new, `forged` from a lamppost's address or name
    but not opening, `replayed` with a counter that was used before, `ignored` of others.
    """

    def __init__(self, machine_time: Callable[[], float]) -> None:
        self._now = machine_time
        self._by_address: dict[str, Listened] = {}
        self._by_name: dict[str, list[Listened]] = {}
        self.strangers = Strangers()
        self.adverts = 0
        self.fresh = 0
        self.forged = 0
        self.replayed = 0
        self.ignored = 0
        # Called with the node id of a lamppost that is worth a visit: it is back, or has restarted.
        self.news: Callable[[bytes], None] = lambda _: None
        # Called with what a stranger says it is: node id, address, dBm. Not to be believed.
        self.stranger: Callable[[bytes, str, int], None] = _ignored

    def add(self, node: bytes, key: bytes, address: str | None) -> Listened:
        """Listen for the lamppost `node` (6 bytes) with `key` (16 bytes) from now on.

        address: from which it advertises, None to find out.
        """
        one = Listened(node, key, address)
        self._by_address[one.address] = one
        self._by_name.setdefault(one.name, []).append(one)
        self.strangers.forget(one.address)
        return one

    def remove(self, one: Listened) -> None:
        """Listen for it no more."""
        self._by_name[one.name].remove(one)
        if not self._by_name[one.name]:
            del self._by_name[one.name]
        if self._by_address.get(one.address) is one:
            del self._by_address[one.address]

    def hear(self, adapter: str, device: BLEDevice, heard: AdvertisementData) -> None:
        """Take one advert, heard by `adapter`."""
        self.adverts += 1
        advert = advert_of(device.address, heard)
        sighting = Sighting(device, advert.rssi, self._now())
        known = self._by_address.get(advert.address)
        if known is not None:
            # Even one that does not open: with the wrong key the session says what is wrong.
            known.sightings[adapter] = sighting
            if advert.data is not None and self._take(known, advert, sighting.at) is None:
                self.forged += 1
            return
        for one in self._by_name.get(advert.name or "", ()):
            if not one.fixed and self._take(one, advert, sighting.at):
                self._moved(one, advert.address)
                one.sightings[adapter] = sighting
                return
        if advert.of_lamppost:
            self.strangers.hear(advert, adapter, sighting)
            node = node_of(advert)
            if node is not None:
                self.stranger(node, advert.address, advert.rssi)
        else:
            self.ignored += 1

    def lost(self, adapter: str) -> None:
        """What `adapter` heard counts no more: it was taken away or started anew."""
        for one in self._by_address.values():
            one.sightings.pop(adapter, None)
        self.strangers.lost(adapter)

    def _take(self, one: Listened, advert: Advert, now: float) -> bool | None:
        """Whether the advert is a new one of `one`'s; None when it is none of its at all."""
        counter = advert.counter
        live = one.live
        if counter is None or advert.data is None:
            return None
        if counter == live.counter:
            return False  # shown several times
        if counter < live.counter:
            # Not opened: that is most of the work an advert makes.
            self.replayed += 1
            return False
        values = open_values(one.bind_key, advert)
        if values is None:
            return None
        back = counter - live.counter >= _RESTART_GAP or now - live.heard >= _AWAY_S
        live.counter = counter
        live.heard = now
        live.rssi = advert.rssi
        live.values.update(values)
        self.fresh += 1
        if back:
            self.news(one.node)
        return True

    def _moved(self, one: Listened, address: str) -> None:
        if self._by_address.get(one.address) is one:
            del self._by_address[one.address]
        one.address = address
        one.sightings.clear()
        self._by_address[address] = one
        self.strangers.forget(address)


def address_of(node: bytes) -> str:
    """The Bluetooth address that an ESP32 with the node id `node` (6 bytes) has."""
    number = (int.from_bytes(node, "big") + _BLUETOOTH_OFFSET) % (1 << 48)
    return ":".join(f"{byte:02X}" for byte in number.to_bytes(6, "big"))


def node_of(advert: Advert) -> bytes | None:
    """The node id of an ESP32 that advertises so; None where its name does not fit its address."""
    number = int.from_bytes(bytes.fromhex(advert.address.replace(":", "")), "big")
    node = ((number - _BLUETOOTH_OFFSET) % (1 << 48)).to_bytes(6, "big")
    return node if advert.name == NAME_BEGINS + node.hex()[6:] else None


def _ignored(_node: bytes, _address: str, _rssi: int) -> None:
    pass

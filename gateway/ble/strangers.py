"""Lampposts nearby that are not this gateway's: shown to who commissions, never trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.ble.adverts import Advert
from gateway.ble.sighting import Sighting

MOST_STRANGERS: Final = 64
# One that has not been heard for so long (s) makes room for another.
_GONE_AFTER_S = 60.0


@dataclass(slots=True)
class Stranger:
    """What is heard of one.

    address: Bluetooth address. name: "lamp-" and the last six digits of its node id, as it says
    itself; None with a passive scan. rssi: dBm. first, last: machine time, s. sightings: those of
    each adapter.
    """

    address: str
    name: str | None
    rssi: int
    first: float
    last: float
    sightings: dict[str, Sighting] = field(default_factory=dict[str, Sighting])


class Strangers:
    """At most MOST_STRANGERS; `turned_away` counts adverts of those there was no room for."""

    def __init__(self) -> None:
        self._known: dict[str, Stranger] = {}
        self.turned_away = 0

    def hear(self, advert: Advert, adapter: str, sighting: Sighting) -> None:
        """Note an advert of one, heard by `adapter`."""
        now = sighting.at
        stranger = self._known.get(advert.address)
        if stranger is None:
            if not self._room(now):
                self.turned_away += 1
                return
            stranger = Stranger(advert.address, advert.name, advert.rssi, first=now, last=now)
            self._known[advert.address] = stranger
        stranger.name = advert.name or stranger.name
        stranger.rssi = advert.rssi
        stranger.last = now
        stranger.sightings[adapter] = sighting

    def forget(self, address: str) -> None:
        """It is one of ours now."""
        self._known.pop(address, None)

    def get(self, address: str) -> Stranger | None:
        """The one that advertises from `address`."""
        return self._known.get(address.upper())

    def lost(self, adapter: str) -> None:
        """What `adapter` heard counts no more."""
        for one in self._known.values():
            one.sightings.pop(adapter, None)

    def heard_within(self, seconds: float, now: float) -> list[Stranger]:
        """Those heard lately, the strongest first."""
        there = [one for one in self._known.values() if now - one.last <= seconds]
        return sorted(there, key=lambda one: one.rssi, reverse=True)

    def _room(self, now: float) -> bool:
        if len(self._known) < MOST_STRANGERS:
            return True
        oldest = min(self._known.values(), key=lambda one: one.last)
        if now - oldest.last < _GONE_AFTER_S:
            return False
        del self._known[oldest.address]
        return True

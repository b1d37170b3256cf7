"""Lampposts that were met and are none of ours: shown to who commissions, never trusted.

Whoever is on a link can make them up, so there is a bound, and what is shown is only what was said.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.clock import StreetClock

MOST: int = 64
# One that has not been met for so long (machine time, s) makes room for another.
GONE_AFTER_S = 600.0
_LONGEST_ADDRESS = 40


@dataclass
class UnknownLamppost:
    """What is known of one, over one link.

    Attributes:
        node: node id, 6 bytes, as it says itself.
        link: by which it was met: "lan", "ble", or "bus:<name>".
        address: its address there: of a bus, of Bluetooth; None on the local network.
        signal: dBm of the last time, None where there is no such thing.
        first_seen: street time, Unix seconds, 0 while that was not known.
        last_seen: the same, of the last time.
        count: how often it was met.
    """

    node: bytes
    link: str
    address: int | str | None
    signal: int | None
    first_seen: int
    last_seen: int
    count: int = 1
    met_at: float = 0.0  # machine time, s

    @property
    def id(self) -> str:
        """The node id as text."""
        return self.node.hex()


class UnknownLampposts:
    """At most MOST of them; `turned_away` counts those there was no room for.

    ours(node): whether a lamppost is one of this gateway's: it is not noted.
    """

    def __init__(
        self,
        clock: StreetClock,
        ours: Callable[[bytes], bool],
        machine_time: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._ours = ours
        self._machine_time = machine_time
        self._known: dict[tuple[bytes, str], UnknownLamppost] = {}
        self.turned_away = 0

    def seen(
        self, node: bytes, link: str, address: int | str | None = None, signal: int | None = None
    ) -> None:
        """The lamppost `node` was met by `link`."""
        if self._ours(node):
            return
        if isinstance(address, str):
            address = address[:_LONGEST_ADDRESS]
        now, at = self._clock.now(), self._machine_time()
        known = self._known.get((node, link))
        if known is not None:
            known.address, known.signal = address, signal
            known.last_seen, known.met_at = now, at
            known.count += 1
        elif self._room(at):
            self._known[node, link] = UnknownLamppost(
                node, link, address, signal, now, now, met_at=at
            )
        else:
            self.turned_away += 1

    def adopted(self, node: bytes) -> None:
        """It is one of ours now."""
        for key in [key for key in self._known if key[0] == node]:
            del self._known[key]

    def shown(self) -> list[UnknownLamppost]:
        """Those met within GONE_AFTER_S, the newest first."""
        since = self._machine_time() - GONE_AFTER_S
        there = [one for one in self._known.values() if one.met_at >= since]
        return sorted(there, key=lambda one: one.met_at, reverse=True)

    def _room(self, now: float) -> bool:
        if len(self._known) < MOST:
            return True
        key, oldest = min(self._known.items(), key=lambda entry: entry[1].met_at)
        if now - oldest.met_at < GONE_AFTER_S:
            return False
        del self._known[key]
        return True

"""The Wi-Fi access point of a street, as the stations on its lampposts meet it."""

import asyncio
from collections.abc import Callable

# wifi_err_reason_t and wifi status of the ESP32's MicroPython.
IDLE, CONNECTING, GOT_IP = 1000, 1001, 1010
BEACON_TIMEOUT, NO_AP_FOUND, WRONG_PASSWORD, ASSOC_FAIL = 200, 201, 202, 203

_JOIN_SECONDS = 0.05


class AccessPoint:
    """One access point. Whatever a test does to it, its stations are told.

    Args:
        ssid: its name.
        passphrase: that of its network.

    Attributes:
        attempts: associations that were tried.
    """

    def __init__(self, ssid: str = "street", passphrase: str = "lamplight") -> None:  # noqa: S107
        self.ssid = ssid
        self.passphrase = passphrase
        self.attempts = 0
        self._present = True
        self._refuses = False
        self._rssi = -61
        self._stations: set[Station] = set()

    @property
    def joined(self) -> int:
        """Stations that are associated."""
        return sum(station.status == GOT_IP for station in self._stations)

    def present(self, present: bool) -> None:
        """Switch it off, or on again: its stations notice by its beacons."""
        self._present = present
        if not present:
            for station in self._stations:
                if station.status == GOT_IP:
                    station.tell(BEACON_TIMEOUT, 0)

    def refuse(self, refuses: bool) -> None:
        """Refuse every association from now on, or none."""
        self._refuses = refuses

    def rssi(self, dbm: int) -> None:
        """How strong it is received at every lamppost."""
        self._rssi = dbm
        for station in self._stations:
            if station.status == GOT_IP:
                station.tell(GOT_IP, dbm)

    def add(self, station: "Station") -> None:
        """A station was switched on."""
        self._stations.add(station)

    def remove(self, station: "Station") -> None:
        """A station was switched off, or its chip died."""
        self._stations.discard(station)

    def answer(self, ssid: str, passphrase: str) -> tuple[int, int]:
        """(status, RSSI) that an association now ends in."""
        self.attempts += 1
        if not self._present or ssid != self.ssid:
            return NO_AP_FOUND, 0
        if passphrase != self.passphrase:
            return WRONG_PASSWORD, 0
        if self._refuses:
            return ASSOC_FAIL, 0
        return GOT_IP, self._rssi


class Station:
    """The far end of one chip's ``network.WLAN``.

    Args:
        access_point: the one in reach.
        say: tells the chip (status, RSSI).
    """

    def __init__(self, access_point: AccessPoint, say: Callable[[int, int], None]) -> None:
        self.status = IDLE
        self._access_point = access_point
        self._say = say
        self._timer: asyncio.TimerHandle | None = None
        access_point.add(self)

    def join(self, ssid: str, passphrase: str) -> None:
        """The chip tries to associate."""
        self.leave()
        self.status = CONNECTING
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_JOIN_SECONDS, self._joined, ssid, passphrase)

    def leave(self) -> None:
        """The chip lets go."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.status = IDLE

    def tell(self, status: int, rssi: int) -> None:
        """Its association has changed."""
        self.status = status
        self._say(status, rssi)

    def close(self) -> None:
        """The chip has died, or switched its radio off."""
        self.leave()
        self._access_point.remove(self)

    def _joined(self, ssid: str, passphrase: str) -> None:
        self._timer = None
        self.tell(*self._access_point.answer(ssid, passphrase))

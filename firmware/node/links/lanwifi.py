"""The Wi-Fi station: joins an access point in bounded time, and says why it could not."""

import asyncio
import time

import network
from micropython import const

from .mqtt import Lost

_JOIN_MS = 20_000
_POLL_MS = 100

# Of WLAN.status() while it is not connected: wifi_err_reason_t of the ESP-IDF.
_FIRST_FAILURE = const(200)
_NO_AP_FOUND = const(201)
_WRONG_PASSWORD = const(202)
_HANDSHAKE_TIMEOUT = const(204)
_NO_AP_FIRST = const(210)
_NO_AP_LAST = const(212)
_LAST_FAILURE = const(299)


class Station:
    """The chip's station interface.

    Switching it on takes the ESP32 some 100 ms in which nothing else runs: it is done once. The
    driver's own reconnecting is off, so that there is one who tries, and with a growing pause.
    """

    def __init__(self):
        self._wlan = network.WLAN(network.STA_IF)
        self._on = False

    def is_joined(self) -> bool:
        """Whether the access point has us, with an address."""
        return self._on and self._wlan.isconnected()

    def rssi(self) -> int:
        """Strength of the access point's signal in dBm, 0 when there is none to speak of."""
        if not self.is_joined():
            return 0
        try:
            return int(self._wlan.status("rssi"))
        except (OSError, ValueError, TypeError):
            return 0  # just gone, or a port that cannot say

    def name_server(self) -> str:
        """IPv4 address of the name server that the network told us, "" for none."""
        return self._wlan.ifconfig()[3] if self.is_joined() else ""

    async def join(self, ssid, passphrase):
        """Join, which takes 20 s at most. Raises Lost."""
        wlan = self._wlan
        try:
            if not self._on:
                wlan.active(True)
                self._on = True
                self._no_reconnect()
            wlan.connect(ssid, passphrase or None)
            end = time.ticks_add(time.ticks_ms(), _JOIN_MS)
            while not wlan.isconnected():
                await asyncio.sleep_ms(_POLL_MS)
                reason = self._failure(wlan.status())
                if not reason and time.ticks_diff(end, time.ticks_ms()) <= 0:
                    reason = "no address within %d s" % (_JOIN_MS // 1000)
                if reason:
                    wlan.disconnect()
                    raise Lost("Wi-Fi %s: %s" % (ssid, reason))
        except OSError as error:
            raise Lost("Wi-Fi %s: %s" % (ssid, error)) from None

    def leave(self):
        """Let go of the access point."""
        if self._on:
            try:
                self._wlan.disconnect()
            except OSError:
                return  # it had let go of us

    def _no_reconnect(self):
        try:
            self._wlan.config(reconnects=0)
        except (ValueError, OSError):
            return  # a port that has no such thing does not reconnect

    def _failure(self, status):
        # The ESP32's numbers, of which not every version has names for all.
        if status in (_WRONG_PASSWORD, _HANDSHAKE_TIMEOUT):
            return "the passphrase is refused"
        if status == _NO_AP_FOUND or _NO_AP_FIRST <= status <= _NO_AP_LAST:
            return "no such access point in reach"
        if _FIRST_FAILURE <= status <= _LAST_FAILURE:
            return "the access point refuses (%d)" % status
        return ""

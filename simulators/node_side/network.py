"""``network`` of the simulated chip: a Wi-Fi station whose access point is the street's.

Associations are played with the street over a connection of their own, a JSON line each way:
{"join": [ssid, passphrase]} or {"leave": 1} to it, {"status": number, "rssi": dBm} from it. What
goes through the air afterwards are this machine's own sockets.
"""

import errno
import json

import _street
from micropython import const

STA_IF = 0
AP_IF = 1

STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_BEACON_TIMEOUT = 200
STAT_NO_AP_FOUND = 201
STAT_WRONG_PASSWORD = 202
STAT_ASSOC_FAIL = 203
STAT_HANDSHAKE_TIMEOUT = 204

_MSG_DONTWAIT = const(0x40)


class WLAN:
    """The station interface; the access point interface is not there."""

    def __init__(self, interface=STA_IF):
        if interface != STA_IF:
            raise ValueError("expected STA_IF, got %s" % interface)
        self._wire = None
        self._rest = b""
        self._status = STAT_IDLE
        self._rssi = 0

    def active(self, on=None):
        if on is None:
            return self._wire is not None
        if on and self._wire is None:
            self._wire = _street.connect("wifi0")
        elif not on and self._wire is not None:
            self._wire.close()
            self._wire = None
            self._status = STAT_IDLE
        return None

    def connect(self, ssid=None, key=None):
        self._say({"join": [ssid, key or ""]})
        self._status = STAT_CONNECTING

    def disconnect(self):
        self._say({"leave": 1})
        self._status = STAT_IDLE

    def isconnected(self):
        self._hear()
        return self._status == STAT_GOT_IP

    def status(self, what=None):
        self._hear()
        if what is None:
            return self._status
        if what == "rssi":
            if self._status != STAT_GOT_IP:
                raise OSError(errno.EPERM)
            return self._rssi
        raise ValueError("unknown status param")

    def config(self, *name, **options):
        if name or not all(option in ("reconnects", "pm", "txpower") for option in options):
            raise ValueError("unknown config param")

    def ifconfig(self):
        if self._status != STAT_GOT_IP:
            return ("0.0.0.0",) * 4  # noqa: S104 - no address, not all
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")

    def _say(self, words):
        if self._wire is None:
            raise OSError("Wifi Not Started")
        self._hear()  # what was said before belongs to the last attempt
        _street.send(self._wire, json.dumps(words).encode() + b"\n")

    def _hear(self):
        if self._wire is None:
            return
        try:
            while True:
                data = self._wire.recv(512, _MSG_DONTWAIT)
                if not data:
                    _street.leave(_street.EXIT_STREET_GONE)
                self._rest += data
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
        while b"\n" in self._rest:
            line, self._rest = self._rest.split(b"\n", 1)
            said = json.loads(line)
            self._status = said["status"]
            self._rssi = said["rssi"]

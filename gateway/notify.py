"""systemd's notification protocol (sd_notify(3)): ready, alive, reloading, stopping.

Kept here since the libraries for it are either no longer kept (sdnotify's last release is of 2017,
and knows no RELOADING) or compiled against libsystemd, for one datagram on a socket.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from gateway.logs import Logger, Trouble

_LONGEST_STATUS = 500
_US = 1_000_000


class Notifier:
    """Says to systemd how this service is; nothing where it is not run by systemd.

    environment: where NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are looked up.
    """

    def __init__(self, log: Logger, environment: Mapping[str, str] = os.environ) -> None:
        self._trouble = Trouble(log, "systemd cannot be told how the gateway is")
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._watchdog_s = _watchdog_s(environment)

    @property
    def watchdog_s(self) -> float | None:
        """Seconds after which systemd kills a service that says nothing; None: it does not."""
        return self._watchdog_s

    def ready(self, status: str) -> None:
        """The service is started, or has reloaded. status: a line for `systemctl status`."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def starting(self, status: str, patience_s: float) -> None:
        """It is not ready yet, for the reason `status`, and may need `patience_s` more for it."""
        self._send(f"STATUS={_line(status)}\nEXTEND_TIMEOUT_USEC={int(patience_s * _US)}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """A line for `systemctl status`."""
        self._send(f"STATUS={_line(text)}")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` says that it is done."""
        # Both in one datagram, as Type=notify-reload asks; Type=notify takes it too.
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now_us}")

    def stopping(self) -> None:
        """The service ends of its own will."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # "@" stands for the zero byte that begins the name of an abstract socket.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as talk:
                # systemd reads them one by one; a loop that waited for it would serve nobody.
                talk.setblocking(False)
                talk.connect(address)
                talk.send(message.encode())
        except OSError as error:
            self._trouble.failed(socket=self._address, error=str(error))
        else:
            self._trouble.over()


def _line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_STATUS]


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    process = environment.get("WATCHDOG_PID", "")
    if process and process != str(os.getpid()):
        return None  # meant for the process that started this one
    microseconds = environment.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    return int(microseconds) / _US

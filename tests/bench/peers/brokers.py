"""The two brokers of a run: the street's, in front of a gateway, and the city's behind it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from simulators.demo.broker import free_port
from simulators.tools import mosquitto

_READY_WITHIN_S = 15.0

# Nothing is dropped for want of room here: what is lost, the gateway between has lost.
_SETTINGS = """\
listener {port} 127.0.0.1
allow_anonymous true
{user}max_queued_messages 0
max_inflight_messages 1000
persistence_location {folder}/
"""

KEEPING = "persistence true\n"


class Broker:
    """A mosquitto in `folder`, on a port of its own; `extra` is added to its configuration.

    It keeps what it holds in `folder` where it is told to, by `KEEPING`.
    """

    def __init__(self, folder: Path, extra: str = "", port: int | None = None) -> None:
        self.port = port or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        user = "user root\n" if os.geteuid() == 0 else ""
        settings = _SETTINGS.format(port=self.port, user=user, folder=folder)
        self._file.write_text(settings + extra, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns when it runs."""
        with self._log.open("ab") as log:
            begun = log.tell()
            self._process = subprocess.Popen(
                [*mosquitto(), "-c", str(self._file)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + _READY_WITHIN_S
        while b"running" not in self._log.read_bytes()[begun:]:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"mosquitto did not start: {self._log.read_text()[-500:]}")
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """Its process id while it runs."""
        if self._process is None:
            raise RuntimeError("the broker does not run")
        return self._process.pid

    def stop(self) -> None:
        """SIGTERM, as a service manager would: it writes what it holds before it ends."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running(broker: Broker) -> Generator[Broker]:
    """`broker` while the body runs."""
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()

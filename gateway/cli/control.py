"""The command line's way to the running gateway: HTTP over the socket in its data folder.

Where no gateway runs, one is started for as long as the command takes: only one process may hold
ports and database, and so the same parts do the same things either way.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

from gateway.config import Configuration
from gateway.errors import GatewayError
from gateway.web.front import SOCKET

# A request that makes a lamppost prove its key may wait for a busy or noisy line.
TIMEOUT_S: Final = 60.0
_STARTS_S: Final = 60.0
_ENDS_S: Final = 30.0
_LARGEST: Final = 10_000_000
LOG: Final = "commission.log"


class NoGateway(GatewayError):
    """No gateway answers, and none could be started."""


class Refused(GatewayError):
    """The gateway says why not."""


class Control:
    """Asks the gateway whose data folder is `folder`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / SOCKET

    def get(self, path: str, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """The answer to a GET. Raises NoGateway, Refused."""
        return self._ask("GET", path, None, timeout_s)

    def post(self, path: str, timeout_s: float = TIMEOUT_S, **body: Any) -> dict[str, Any]:
        """The answer to a POST. Raises NoGateway, Refused."""
        return self._ask("POST", path, body, timeout_s)

    def answers(self) -> bool:
        """Whether a gateway is there. Raises NoGateway when this user may not ask it."""
        try:
            self.get("/api/state", 10.0)
        except PermissionError as error:
            raise NoGateway(f"{self._path}: {error.strerror}; run this as root (sudo)") from error
        except (OSError, NoGateway):
            return False
        return True

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None, timeout_s: float
    ) -> dict[str, Any]:
        connection = _UnixConnection(self._path, timeout_s)
        data = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, data, {"content-type": "application/json"})
            response = connection.getresponse()
            answer = response.read(_LARGEST + 1)
        except PermissionError:
            raise
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NoGateway(
                f"the gateway does not answer at {self._path} ({why}); "
                "systemctl status lamplighter-gateway"
            ) from error
        finally:
            connection.close()
        try:
            document: Any = json.loads(answer)
        except ValueError as error:
            raise NoGateway(f"what answers at {self._path} is no gateway") from error
        if response.status >= 400:
            raise Refused(str(document.get("error", response.status)))
        return document


@contextlib.contextmanager
def gateway(file: Path, configuration: Configuration) -> Generator[tuple[Control, bool]]:
    """A gateway to ask: (it, whether it was started for this). Raises NoGateway, OSError."""
    folder = configuration.gateway.data_dir
    control = Control(folder)
    if control.answers():
        yield control, False
        return
    folder.mkdir(parents=True, exist_ok=True)
    with _started(file, folder, control):
        yield control, True


@contextlib.contextmanager
def _started(file: Path, folder: Path, control: Control) -> Generator[None]:
    # As the data folder's own user: the service could not write what root has made there.
    owner = folder.stat()
    ours: dict[str, Any] = {}
    if os.geteuid() == 0 and owner.st_uid != 0:
        ours = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": _groups(owner.st_uid)}
    log_file = folder / LOG
    with log_file.open("wb") as log:
        if ours:
            os.fchown(log.fileno(), owner.st_uid, owner.st_gid)
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.main", "run", "--config", str(file.absolute())],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
            # Ctrl-C is for us to hear; we end it in our own time.
            start_new_session=True, **ours,
        )  # fmt: skip
    try:
        until = time.monotonic() + _STARTS_S
        while not control.answers():
            if process.poll() is not None or time.monotonic() > until:
                last = log_file.read_text(errors="replace").strip().splitlines()[-1:]
                raise NoGateway(
                    f"no gateway runs, and none could be started: {' '.join(last)[:300]}; "
                    f"all it said: {log_file}"
                )
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _groups(user: int) -> list[int]:
    import grp
    import pwd

    name = pwd.getpwuid(user).pw_name
    return [group.gr_gid for group in grp.getgrall() if name in group.gr_mem]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))

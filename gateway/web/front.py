"""The two doors of the desk: a socket for the command line, and the page where it is enabled."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.clock import StreetClock
from gateway.commissioning.desk import Desk
from gateway.config.web import WebSection
from gateway.errors import GatewayError
from gateway.logs import Logger, Trouble
from gateway.web import certificate, door
from gateway.web.access import Access

if TYPE_CHECKING:
    from starlette.types import ASGIApp

# In the data folder, which is its user's alone.
SOCKET: Final = "commission.sock"
_AGAIN_S: Final = 60.0


class NotServed(GatewayError):
    """There is no page; the text says what to do."""


class Front:
    """Opens both for `desk`; what fails is tried again, and the gateway goes on without."""

    def __init__(
        self,
        gateway: str,
        desk: Desk,
        settings: WebSection,
        data_dir: Path,
        clock: StreetClock,
        log: Logger,
    ) -> None:
        self._gateway = gateway
        self._desk = desk
        self._settings = settings
        self._data_dir = data_dir
        self._clock = clock
        self._log = log
        self.access = Access(settings.code_minutes * 60, settings.session_minutes * 60)

    async def run(self) -> None:
        """Serve until cancelled; what is under way at the desk is ended then."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._open(
                    "commissioning socket", lambda: door.unix_socket(self._data_dir / SOCKET),
                    self._control,
                ))  # fmt: skip
                if self._settings.enabled:
                    address, port = str(self._settings.address), self._settings.port
                    group.create_task(self._open(
                        "commissioning page", lambda: door.tcp_socket(address, port), self._page,
                        self._certificate if self._settings.tls else None,
                    ))  # fmt: skip
        finally:
            await self._desk.close()

    def new_code(self) -> dict[str, Any]:
        """A one-time code, and where it is to be typed, as JSON has it. Raises NotServed."""
        settings = self._settings
        if not settings.enabled:
            raise NotServed(
                "[web] enabled = false: set enabled = true and the address of this machine on your "
                "network, then restart the gateway"
            )
        fingerprint = ""
        if settings.tls:
            try:
                fingerprint = certificate.fingerprint(self._certificate())
            except (OSError, ValueError) as error:
                raise NotServed(f"the page has no certificate: {error}") from error
        return {
            "code": self.access.new_code(),
            "url": settings.url,
            "minutes": settings.code_minutes,
            "fingerprint": fingerprint,
        }

    def _control(self) -> ASGIApp:
        from gateway.web.app import control  # loaded when somebody knocks

        return control(self._desk, self.new_code)

    def _page(self) -> ASGIApp:
        from gateway.web.app import page  # loaded when somebody knocks

        return page(self._gateway, self._settings, self._desk, self.access)

    def _certificate(self) -> Path:
        return certificate.ensure(self._data_dir, str(self._settings.address), self._clock.now())

    async def _open(
        self,
        what: str,
        listen: Callable[[], socket.socket],
        app: Callable[[], ASGIApp],
        certified: Callable[[], Path] | None = None,
    ) -> None:
        trouble = Trouble(self._log, f"{what} is not served")
        while True:
            try:
                await door.serve(listen(), app, self._log, certified)
            except (GatewayError, OSError) as error:
                trouble.failed(error=str(error))
            await asyncio.sleep(_AGAIN_S)

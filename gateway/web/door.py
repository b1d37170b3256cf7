"""A listening socket whose server is loaded only when somebody knocks.

Starlette and uvicorn take some megabytes, and most gateways are commissioned once in ten years.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.logs import Logger

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_BACKLOG: Final = 16
_MOST_CONNECTIONS: Final = 32
_LONGEST_HEAD: Final = 16_384
_LONGEST_PATH: Final = 100  # the kernel takes 107 bytes


def unix_socket(path: Path) -> socket.socket:
    """Listen at `path` for this user and root alone. Raises OSError."""
    if len(str(path)) > _LONGEST_PATH:
        raise OSError(36, f"expected a path of at most {_LONGEST_PATH} bytes", str(path))
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        # Before it listens, so that nobody else is ever heard.
        path.chmod(0o600)
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def tcp_socket(address: str, port: int) -> socket.socket:
    """Listen at `address`. Raises OSError."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


async def serve(
    listening: socket.socket,
    app: Callable[[], ASGIApp],
    log: Logger,
    certificate: Callable[[], Path] | None = None,
) -> None:
    """Serve `app()` on `listening`, which is closed at the end, until cancelled.

    Nothing is loaded, and `app` and `certificate` (a PEM file with its key) are not called, before
    the first connection.
    """
    try:
        await _knock(listening)
        from gateway.web.server import run  # the first import of uvicorn and Starlette

        log.debug("commissioning served", at=str(listening.getsockname()))
        await run(
            listening, app(), certificate() if certificate is not None else None,
            _MOST_CONNECTIONS, _LONGEST_HEAD,
        )  # fmt: skip
    finally:
        listening.close()


async def _knock(listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    came: asyncio.Future[None] = loop.create_future()
    loop.add_reader(listening, lambda: came.done() or came.set_result(None))
    try:
        await came
    finally:
        loop.remove_reader(listening)

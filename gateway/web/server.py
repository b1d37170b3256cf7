"""uvicorn within the gateway's own event loop, which keeps its signals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_KEEP_ALIVE_S: Final = 15
_LAST_WORDS_S: Final = 1


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """SIGTERM is the gateway's to hear."""
        yield


async def run(
    listening: socket.socket, app: ASGIApp, certificate: Path | None, most: int, longest_head: int
) -> None:
    """Serve `app` until cancelled; at most `most` connections, heads of `longest_head` bytes."""
    config = uvicorn.Config(
        app, http="h11", ws="none", lifespan="off", log_config=None, log_level="warning",
        access_log=False, server_header=False, proxy_headers=False, limit_concurrency=most,
        h11_max_incomplete_event_size=longest_head, timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_LAST_WORDS_S,
        ssl_certfile=str(certificate) if certificate is not None else None,
    )  # fmt: skip
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await asyncio.wait([serving], timeout=_LAST_WORDS_S + 5)
        raise

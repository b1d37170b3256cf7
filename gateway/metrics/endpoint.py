"""The loopback endpoint: `/metrics`, `/health` and `/lampposts`.

It is served by a thread of its own (wsgiref, as in prometheus_client's own server), so that it can
tell of an event loop that hangs: that is when somebody asks. What it tells is taken in the event
loop, where nothing changes meanwhile. A web server in the loop would fall silent with it, and cost
the memory of a framework for three pages that a machine reads.
"""

from __future__ import annotations

import asyncio
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import TimeoutError as NotInTime
from typing import Any, TypeVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.clock import StreetClock
from gateway.config.metrics import Address
from gateway.errors import GatewayError
from gateway.logs import Logger
from gateway.metrics import collector, health
from gateway.metrics.sources import Sources

T = TypeVar("T")
# How long the event loop, and then the thread that commits, may take to turn to a question.
_LOOP_S = 5.0
_STORAGE_S = 3.0
# One at a time is served: whoever connects and says nothing must not keep the others waiting.
_CLIENT_S = 2.0
_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"


class EndpointUnavailable(GatewayError):
    """The address of `[metrics]` cannot be listened on."""


class _Fixed(Collector):
    """Metrics taken already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


class _Handler(WSGIRequestHandler):
    timeout = _CLIENT_S  # pyright: ignore[reportIncompatibleVariableOverride, reportAssignmentType]

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: monitoring asks every few seconds, for years."""

    def address_string(self) -> str:
        """Without asking the DNS who is there."""
        return str(self.client_address[0])


class _Server(WSGIServer):
    def server_bind(self) -> None:
        """As the base class, without asking the DNS for this machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes in the middle is no error of ours."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class Endpoint:
    """Serves what `sources` give, from `start` to `close`.

    loop_s: how long the event loop may take to turn to a question.
    """

    def __init__(
        self, sources: Sources, clock: StreetClock, log: Logger, loop_s: float = _LOOP_S
    ) -> None:
        self._sources = sources
        self._clock = clock
        self._log = log
        self._loop_s = loop_s
        self._process = ProcessCollector(registry=None)
        self._started = time.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._pages: dict[str, Callable[[], tuple[str, str, bytes]]] = {
            "/metrics": self._metrics,
            "/health": self._health,
            "/lampposts": self._lampposts,
        }

    def start(self, address: Address) -> Address:
        """Listen on `address`; gives it with the port in use. Called in the event loop.

        Raises EndpointUnavailable.
        """
        kind = _Server6 if ":" in address.host else _Server
        try:
            server = make_server(address.host, address.port, self._serve, kind, _Handler)
        except OSError as error:
            raise EndpointUnavailable(
                f"{address.host}:{address.port}: cannot be listened on ({error.strerror}); "
                'end what holds it, or set another listen = "..." in [metrics]'
            ) from error
        self._loop = asyncio.get_running_loop()
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, name="metrics", args=(0.2,), daemon=True
        )
        self._thread.start()
        made = Address(address.host, int(server.server_address[1]))
        self._log.info("metrics served", url=made.url)
        return made

    async def close(self) -> None:
        """Stop listening, and wait for the page that is being served."""
        if self._server is None or self._thread is None:
            return
        server, thread = self._server, self._thread
        self._server = self._thread = None
        # In a thread: a page that is being served waits for this loop.
        await asyncio.to_thread(server.shutdown)
        await asyncio.to_thread(thread.join)
        server.server_close()

    # The server's thread from here on, but for what is `async`.

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        page = self._pages.get(str(environ.get("PATH_INFO", "")))
        method = environ.get("REQUEST_METHOD")
        if method not in ("GET", "HEAD"):
            status, kind, body = "405 Method Not Allowed", _TEXT, b"GET expected\n"
        elif page is None:
            known = ", ".join(self._pages)
            status, kind, body = "404 Not Found", _TEXT, f"one of {known} expected\n".encode()
        else:
            status, kind, body = page()
        start_response(
            status,
            [
                ("Content-Type", kind),
                ("Content-Length", str(len(body))),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
            ],
        )
        return [b"" if method == "HEAD" else body]

    def _metrics(self) -> tuple[str, str, bytes]:
        taken = self._ask(self._collect)
        responds = GaugeMetricFamily(
            f"{collector.PREFIX}loop_responds", "1 while the event loop answers.", taken is not None
        )
        metrics = [responds, *(taken or []), *self._process.collect()]
        return "200 OK", CONTENT_TYPE_PLAIN_0_0_4, generate_latest(_Fixed(metrics))  # pyright: ignore[reportArgumentType]

    def _health(self) -> tuple[str, str, bytes]:
        asked = time.monotonic()
        found = self._ask(lambda: self._judge(asked)) or health.stuck(
            self._sources.gateway, self._loop_s + _STORAGE_S
        )
        critical = found.grade is health.Grade.CRITICAL
        return ("503 Service Unavailable" if critical else "200 OK", _JSON, _json(found.document()))

    def _lampposts(self) -> tuple[str, str, bytes]:
        documents = self._ask(self._documents)
        if documents is None:
            return "503 Service Unavailable", _TEXT, b"the event loop does not answer\n"
        document = {"gateway": self._sources.gateway, "lampposts": documents}
        return "200 OK", _JSON, _json(document)

    def _ask(self, question: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        """What the event loop gives; None when it does not turn to it in time."""
        if self._loop is None or self._loop.is_closed():
            return None
        asked = question()
        try:
            future = asyncio.run_coroutine_threadsafe(asked, self._loop)
        except RuntimeError:  # closed in between
            asked.close()
            return None
        try:
            return future.result(self._loop_s + _STORAGE_S)
        except NotInTime:
            future.cancel()
            return None

    async def _collect(self) -> list[Metric]:
        tallies = await self._tallies()
        return collector.collect(self._sources, tallies, time.monotonic())

    async def _judge(self, asked: float) -> health.Health:
        began = time.monotonic()
        storage = await self._tallies() is not None
        now = time.monotonic()
        return health.judge(
            self._sources,
            storage=storage,
            lag_s=began - asked,
            running_s=now - self._started,
            now=now,
            unix=self._clock.now(),
        )

    async def _documents(self) -> list[Any]:
        return [dict(document) for document in self._sources.documents()]

    async def _tallies(self) -> dict[str, int] | None:
        """The durable counters; None when the storage does not answer."""
        try:
            # Not wait_for: before Python 3.12 it can lose a cancellation.
            async with asyncio.timeout(_STORAGE_S):
                return dict(await self._sources.buffer.counters())
        except (TimeoutError, GatewayError):
            return None


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"

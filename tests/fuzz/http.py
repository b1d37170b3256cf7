"""Requests to the loopback endpoint of metrics and health."""

from __future__ import annotations

import socket
from typing import Any, cast

from gateway.metrics.endpoint import Endpoint, _Handler, _Server
from tests.fuzz.data import Data
from tests.fuzz.harness import clock, silent

_RIGHT = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_PIECES = (
    b"GET", b"POST", b"HEAD", b" ", b"/", b"/metrics", b"/health", b"/lampposts", b"//x/../health",
    b"?a=b", b"%00", b"%ff", b" HTTP/1.0", b" HTTP/1.1", b" HTTP/9.9", b"\r\n", b"\n", b": ", b"A",
    b"Host", b"Content-Length: -1", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"\0",
    b"\xff", b"A" * 70_000, b"X: y\r\n" * 120,
)  # fmt: skip


class MetricsRequests:
    """Whatever is asked is answered by HTTP or not at all, and tells nothing but the pages."""

    def __init__(self) -> None:
        self.endpoint = Endpoint(cast(Any, None), clock(), silent())
        self.asked = 0
        page = ("200 OK", "text/plain", b"a page")

        def asked() -> tuple[str, str, bytes]:
            self.asked += 1
            return page

        self.endpoint._pages = dict.fromkeys(self.endpoint._pages, asked)
        server = _Server(("127.0.0.1", 0), _Handler)
        server.server_close()
        server.set_app(self.endpoint._serve)
        self._server = server

    def feed(self, data: bytes) -> None:
        read = Data(data)
        self._ask(self._request(read))
        assert self._ask(_RIGHT).endswith(b"a page")

    def _request(self, data: Data) -> bytes:
        match data.below(4):
            case 0:
                return data.bytes(4000)
            case 1:
                return data.damaged(_RIGHT)
            case _:
                return b"".join(data.pick(_PIECES) for _ in range(data.below(20)))

    def _ask(self, request: bytes) -> bytes:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            theirs.sendall(request[:200_000])
            theirs.shutdown(socket.SHUT_WR)
            before = self.asked
            try:
                _Handler(ours, ("127.0.0.1", 1), self._server)
            except Exception as error:  # noqa: BLE001 - as socketserver does
                # socketserver gives it to `handle_error` and closes the connection.
                self._server.handle_error(ours, str(error))
            ours.close()
            try:
                answer = theirs.recv(1 << 20)
            except ConnectionResetError:  # it was closed with something unread
                answer = b""
        assert self.asked - before <= 1
        if b"200 OK" in answer.partition(b"\r\n")[0]:
            assert answer.endswith((b"a page", b"\r\n\r\n"))
        return answer

    def sizes(self) -> dict[str, tuple[int, int]]:
        return {"pages": (len(self.endpoint._pages), 3)}

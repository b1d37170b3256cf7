"""What every request to the page passes: who may be asked, by whom, and what an answer carries.

An ASGI middleware. Without a session nothing is answered but the login page and its style.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.web.access import Access

# Open to who is not logged in.
_OPEN: Final = frozenset({("GET", "/login"), ("POST", "/login"), ("GET", "/static/style.css")})
_LARGEST: Final = 4096
_TOKEN: Final = "x-lamplighter"  # noqa: S105
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: with that, browsers do not say where a form comes from either (Origin: null).
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=()",
}


def cookie_name(*, tls: bool) -> str:
    """Of the session. A `__Host-` cookie is only taken from https, for this host and all of it."""
    return "__Host-lamplighter" if tls else "lamplighter"


class Guard:
    """Lets through to `app` what may pass.

    hosts: what the Host header may say; any other is a name that somebody has pointed at us (DNS
    rebinding). origin: what the Origin header of a request that changes something must say.
    """

    def __init__(
        self, app: ASGIApp, access: Access, hosts: frozenset[str], origins: frozenset[str],
        *, tls: bool,
    ) -> None:  # fmt: skip
        self._app = app
        self._access = access
        self._hosts = hosts
        self._origins = origins
        self._cookie = cookie_name(tls=tls)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return  # nothing here speaks anything else
        send = _with_headers(send)
        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        method, path = scope["method"], scope["path"]
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            return PlainTextResponse("this is not the name of this gateway", 421)
        if method not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("GET or POST", 405)
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdecimal() or len(length) > 9:
            return PlainTextResponse("content-length", 400)
        if int(length) > _LARGEST:
            return PlainTextResponse(f"expected at most {_LARGEST} bytes", 413)
        if method == "POST" and headers.get("origin") not in self._origins:
            return PlainTextResponse("from another page", 403)
        session = self._access.session(HTTPConnection(scope).cookies.get(self._cookie))
        scope.setdefault("state", {})["session"] = session
        if ("GET" if method == "HEAD" else method, path) in _OPEN:
            return None
        if session is None:
            if path == "/" and method != "POST":
                return RedirectResponse("/login", 303)
            return JSONResponse({"error": "log in first"}, 401)
        if method == "POST" and not _same(headers.get(_TOKEN), session.csrf):
            return JSONResponse({"error": "expected the token of the page; load it again"}, 403)
        return None


def _same(given: str | None, wanted: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode("latin-1"), wanted.encode())


def _with_headers(send: Send) -> Callable[[Message], Any]:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_HEADERS)
        await send(message)

    return sending

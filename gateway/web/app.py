"""The applications: the page, behind its guard, and the socket for the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.commissioning import report
from gateway.commissioning.desk import Desk
from gateway.config.web import WebSection
from gateway.web import api, pages
from gateway.web.access import Access, NotLetIn, Session
from gateway.web.guard import Guard, cookie_name

_LOOK_EVERY_S: Final = 0.5
# A proxy or a phone that sleeps lets go of what says nothing.
_ALIVE_S: Final = 15.0
_MOST_STREAMS: Final = 8


def control(desk: Desk, new_code: Callable[[], dict[str, Any]]) -> ASGIApp:
    """For the command line; whoever may open the socket may command lampposts.

    new_code() gives a one-time code and where the page is, as JSON has it; may raise GatewayError.
    """

    async def code(request: Request) -> Any:
        await api.read(request)
        return new_code()

    return Starlette(
        routes=[*api.routes(desk), Route("/api/web-code", api.answering(code), methods=["POST"])]
    )


def page(gateway: str, settings: WebSection, desk: Desk, access: Access) -> ASGIApp:
    """For a phone."""
    streams: set[int] = set()

    async def login_page(request: Request) -> Response:
        if request.state.session is not None:
            return RedirectResponse("/", 303)
        return HTMLResponse(pages.login(gateway))

    async def login(request: Request) -> Response:
        try:
            form = parse_qs((await api.read(request)).decode("latin-1"), max_num_fields=5)
        except (ValueError, ClientDisconnect):
            return HTMLResponse(pages.login(gateway, "that is no form"), 400)
        peer = request.client.host if request.client else ""
        try:
            session = access.enter(form.get("code", [""])[0], peer)
        except NotLetIn as error:
            return HTMLResponse(pages.login(gateway, str(error)), 403)
        response = RedirectResponse("/", 303)
        response.set_cookie(
            cookie_name(tls=settings.tls), session.token, path="/", httponly=True,
            samesite="strict", secure=settings.tls,
        )  # fmt: skip
        return response

    async def logout(request: Request) -> Response:
        access.leave(request.state.session)
        return Response(status_code=204)

    async def shell(request: Request) -> Response:
        return HTMLResponse(pages.shell(gateway, request.state.session.csrf))

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in pages.STATIC:
            return PlainTextResponse("no such file", 404)
        return Response(pages.static(name), media_type=pages.STATIC[name])

    async def printed(_: Request) -> Response:
        style = '<link rel="stylesheet" href="/static/report.css">'
        return HTMLResponse(report.html(desk.report(), style))

    async def events(request: Request) -> Response:
        if len(streams) >= _MOST_STREAMS:
            return api.refusal(503, f"{_MOST_STREAMS} pages are open already; close one")
        session: Session = request.state.session
        return StreamingResponse(
            _events(desk, lambda: access.session(session.token) is session, streams),
            media_type="text/event-stream",
        )

    app = Starlette(
        routes=[
            Route("/login", login_page, methods=["GET"]),
            Route("/login", login, methods=["POST"]),
            Route("/logout", logout, methods=["POST"]),
            Route("/", shell),
            Route("/static/{name}", static),
            Route("/report", printed),
            Route("/events", events),
            *api.routes(desk),
        ]
    )
    hosts = frozenset({f"{settings.address}:{settings.port}"})
    scheme = "https" if settings.tls else "http"
    origins = frozenset(f"{scheme}://{host}" for host in hosts)
    return Guard(app, access, hosts, origins, tls=settings.tls)


def _lasting(state: dict[str, Any]) -> dict[str, Any]:
    """`state` without what changes each second and is not shown: each change is drawn."""
    for post in state["lampposts"]:
        del post["last_heard"], post["backlog"]
    for stranger in state["strangers"]:
        del stranger["heard_s"], stranger["count"]
    return {**state, "time": 0}


async def _events(desk: Desk, wanted: Callable[[], bool], streams: set[int]) -> AsyncGenerator[str]:
    """The state whenever it changes, as server-sent events, for as long as somebody is logged in.

    An open page keeps its session: who looks at it is there.
    """
    mine = max(streams, default=0) + 1
    streams.add(mine)
    loop = asyncio.get_running_loop()
    last, said_at = "", 0.0
    try:
        while wanted():
            text = json.dumps(_lasting(desk.state()), ensure_ascii=False, separators=(",", ":"))
            now = loop.time()
            if text != last:
                last, said_at = text, now
                yield f"data: {text}\n\n"
            elif now - said_at > _ALIVE_S:
                said_at = now
                yield ": here\n\n"
            await asyncio.sleep(_LOOK_EVERY_S)
        yield "event: end\ndata: {}\n\n"
    finally:
        streams.discard(mine)

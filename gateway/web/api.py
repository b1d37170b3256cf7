"""The desk over HTTP, as JSON: the same for the page and for the command line."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.adoption.adoption import NotAdopted
from gateway.adoption.label import BadLabel
from gateway.commissioning import light
from gateway.commissioning.adopting import Wanted, problems
from gateway.commissioning.checking import NotDone
from gateway.commissioning.desk import LONGEST_BLINK_S, Desk, NoSuchLamppost
from gateway.commissioning.jobs import Busy
from gateway.errors import ConfigurationError, GatewayError

LARGEST: Final = 4096
_Body = TypeVar("_Body", bound=BaseModel)
_STATUS: Final[dict[type[BaseException], int]] = {
    NoSuchLamppost: 404,
    Busy: 409,
    NotDone: 409,
    NotAdopted: 422,
    BadLabel: 422,
    ConfigurationError: 422,
}


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class _Nothing(_Said):
    pass


class _Name(_Said):
    name: Annotated[str, Field(min_length=1, max_length=80)]


class _Blink(_Said):
    seconds: Annotated[int, Field(ge=0, le=LONGEST_BLINK_S)] = 15


class _Light(_Said):
    levels: Annotated[
        list[Annotated[int, Field(ge=0, le=100)]], Field(min_length=1, max_length=light.MOST_LEVELS)
    ] = list(light.LEVELS)
    hold_s: Annotated[float, Field(ge=0.1, le=light.LONGEST_HOLD_S)] = light.HOLD_S


class _Seen(_Said):
    step: Annotated[str, Field(max_length=20)]
    seen: bool


class _Skip(_Said):
    step: Annotated[str, Field(pattern="^(link|clock|configuration|blink|light|faults|air|climate|"
                                       "gas|footfall|presence|meter|photocell)$")]  # fmt: skip
    why: Annotated[str, Field(max_length=200)] = ""


class TooLarge(ValueError):
    """The body has more than LARGEST bytes."""


def routes(desk: Desk) -> list[Route]:
    """Everything under /api/."""

    async def state(_: Request) -> Any:
        return desk.state()

    async def lamppost(request: Request) -> Any:
        return desk.lamppost(request.path_params["node"])

    async def search(request: Request) -> Any:
        await _body(request, _Nothing)
        return desk.search().document()

    async def adopt(request: Request) -> Any:
        return await desk.adopt(await _body(request, Wanted))

    async def rename(request: Request) -> Any:
        await desk.rename(request.path_params["node"], (await _body(request, _Name)).name)
        return {}

    async def blink(request: Request) -> Any:
        await desk.blink(request.path_params["node"], (await _body(request, _Blink)).seconds)
        return {}

    async def shine(request: Request) -> Any:
        said = await _body(request, _Light)
        return desk.light(request.path_params["node"], said.levels, said.hold_s).document()

    async def check(request: Request) -> Any:
        await _body(request, _Nothing)
        return desk.check(request.path_params["node"]).document()

    async def seen(request: Request) -> Any:
        said = await _body(request, _Seen)
        desk.say(request.path_params["node"], said.step, saw_it=said.seen)
        return {}

    async def skip(request: Request) -> Any:
        said = await _body(request, _Skip)
        desk.skip(request.path_params["node"], said.step, said.why)
        return {}

    async def stop(request: Request) -> Any:
        await _body(request, _Nothing)
        return {"stopped": await desk.stop(request.path_params["node"])}

    async def report(_: Request) -> Any:
        return desk.report()

    async def write(request: Request) -> Any:
        await _body(request, _Nothing)
        return {"files": [str(file) for file in desk.write_report()], "report": desk.report()}

    node = "/api/lamppost/{node}"
    posts = {
        "/api/search": search, "/api/adopt": adopt, "/api/report": write,
        f"{node}/rename": rename, f"{node}/blink": blink, f"{node}/light": shine,
        f"{node}/check": check, f"{node}/seen": seen, f"{node}/skip": skip, f"{node}/stop": stop,
    }  # fmt: skip
    gets = {"/api/state": state, "/api/report": report, node: lamppost}
    return [
        *(Route(path, answering(one), methods=["POST"]) for path, one in posts.items()),
        *(Route(path, answering(one), methods=["GET"]) for path, one in gets.items()),
    ]


def answering(
    handler: Callable[[Request], Awaitable[Any]],
) -> Callable[[Request], Awaitable[Response]]:
    """`handler`, whose failures are answers: {"error": ...} with a status that says whose it is."""

    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(await handler(request))
        except TooLarge as error:
            return refusal(413, str(error))
        except ClientDisconnect:
            return refusal(400, "the request ended early")
        except ValidationError as error:
            return refusal(422, problems(error))
        except ValueError as error:
            return refusal(400, str(error))
        except GatewayError as error:
            return refusal(_STATUS.get(type(error), 502), str(error))
        except OSError as error:
            return refusal(500, f"{error.filename or 'a file'}: {error.strerror}")

    return answer


def refusal(status: int, text: str) -> Response:
    """Why not."""
    return JSONResponse({"error": text[:1000]}, status)


async def read(request: Request) -> bytes:
    """The body, at most LARGEST bytes. Raises TooLarge."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > LARGEST:
            raise TooLarge(f"expected at most {LARGEST} bytes")
    return bytes(data)


async def _body(request: Request, kind: type[_Body]) -> _Body:
    data = await read(request)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ValueError("expected JSON (content-type: application/json)")
    try:
        document: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("expected JSON") from None
    return kind.model_validate(document)

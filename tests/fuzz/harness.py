"""What every harness is, and what they share."""

from __future__ import annotations

import asyncio
import atexit
import logging
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar, cast

from gateway.clock import StreetClock
from gateway.logs import Logger

# As `gateway.logs.set_up` has them.
for _name in ("smpclient", "bthome_ble"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

T = TypeVar("T")
GATEWAY = "cabinet-7"
NODE = bytes.fromhex("a0b1c2d3e4f5")
OTHER = bytes.fromhex("a0b1c2d3e4f6")
STRANGER = bytes.fromhex("ffffffffffff")
KEY = bytes(range(16))
NOW = 1_790_000_000


class Harness(Protocol):
    """One place where bytes come in, with what is kept there between them."""

    def feed(self, data: bytes) -> None:
        """Take an input. What does not hold is an AssertionError, or whatever was not expected."""
        ...

    def sizes(self) -> dict[str, tuple[int, int]]:
        """What is kept: how much there is, and its bound."""
        ...


class Silent:
    """A log that renders what it is told and keeps only how many warnings there were."""

    def __init__(self) -> None:
        self.loud = 0

    def bind(self, **context: object) -> Silent:
        self.debug("", **context)
        return self

    def debug(self, event: str, **details: object) -> None:
        f"{event} {details}".encode("utf-8", "backslashreplace")

    info = debug

    def warning(self, event: str, **details: object) -> None:
        self.loud += 1
        self.debug(event, **details)

    error = warning


def silent() -> Logger:
    return cast(Logger, Silent())


class Clock:
    """Street time that stands still."""

    def now(self) -> int:
        return NOW


def clock() -> StreetClock:
    return cast(StreetClock, Clock())


_loop: list[asyncio.AbstractEventLoop] = []


def run(what: Coroutine[Any, Any, T]) -> T:
    """To its end, in a loop that all harnesses share: to make one costs more than most inputs."""
    if not _loop:
        _loop.append(asyncio.new_event_loop())
        _loop[0].set_exception_handler(_unhandled)
        atexit.register(_loop[0].close)
    found = _loop[0].run_until_complete(what)
    if _escaped:
        error = _escaped.pop()
        _escaped.clear()
        raise AssertionError(f"in the event loop: {error}") from error.get("exception")
    return found


_escaped: list[dict[str, Any]] = []


def _unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _escaped.append(context)


async def stopped(*tasks: asyncio.Task[Any]) -> None:
    """Cancel and await, whatever they end with."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

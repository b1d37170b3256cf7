"""Commands from the city, carried out at most once and not after they expire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from gateway.buffer.state import State
from gateway.clock import StreetClock
from gateway.documents import json_object
from gateway.errors import GatewayError
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Traffic
from gateway.logs import Logger
from protocol.messages import MAX_IDENTIFY_SECONDS, MAX_LAMP_SECONDS

LARGEST = 4096
# Someone stands in the street and waits for the lamp to blink; later it would only puzzle.
_IDENTIFY_WITHIN_S = 60
_AT_ONCE_PER_LAMPPOST = 8
# A command is noted until it expires, so that it is carried out once.
_LONGEST_AHEAD_S = 7 * 86_400
# UTC epoch seconds in 32 bits, as everywhere on the link; the database holds no unbounded integers.
_Epoch = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]


class Expired(GatewayError):
    """The command's time was over before it could be sent."""


class LampCommand(BaseModel):
    """Override the lamp at `level` percent, None to end an override, for `seconds`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    command: Literal["lamp"]
    level: Annotated[int, Field(ge=0, le=100)] | None
    seconds: Annotated[int, Field(ge=1, le=MAX_LAMP_SECONDS)] = 3600
    expires: _Epoch


class _Identify(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    command: Literal["identify"]
    seconds: Annotated[int, Field(ge=0, le=MAX_IDENTIFY_SECONDS)]
    expires: _Epoch | None = None


_Command = TypeAdapter[LampCommand | _Identify](
    Annotated[LampCommand | _Identify, Field(discriminator="command")]
)


def parse_lamp(payload: bytes) -> LampCommand:
    """The lamp command in `payload`. Raises ValueError, which pydantic's errors are."""
    command = _parse(payload)
    if not isinstance(command, LampCommand):
        raise ValueError(f"a lamp command expected, got {command.command}")
    return command


def _parse(payload: bytes) -> LampCommand | _Identify:
    return _Command.validate_python(json_object(payload, LARGEST))


def check_expiry(expires: int, now: int) -> None:
    """Raise ValueError for a command that expires too far from `now`; `expires` 0: it does not.

    And while the time is unknown (`now` 0): it may have expired while the cabinet had no power.
    """
    if expires and not now:
        raise ValueError("whether it has expired is not known: set this machine's clock (NTP)")
    if expires - now > _LONGEST_AHEAD_S:
        raise ValueError(
            f"expires {expires - now} s from now, at most {_LONGEST_AHEAD_S}; use a desired "
            "configuration for what is to last"
        )


class Commands:
    """Carries out commands; `lampposts` by node id."""

    def __init__(
        self, lampposts: Mapping[bytes, Lamppost], state: State, clock: StreetClock, log: Logger
    ) -> None:
        self._lampposts = lampposts
        self._state = state
        self._clock = clock
        self._log = log
        self._tasks: dict[asyncio.Task[None], bytes] = {}
        # Called with the node id when a lamp command for it is about to be sent.
        self.on_lamp: Callable[[bytes], None] = lambda node: None
        self.done = 0
        self.refused = 0

    async def received(self, node: bytes, payload: bytes) -> None:
        """A command for `node`. It is noted on disk before it is sent: a repeat is not another."""
        lamppost = self._lampposts[node]
        now = self._clock.now()
        try:
            command = _parse(payload)
            check_expiry(command.expires or 0, now)
        except ValueError as error:
            self.refused += 1
            lamppost.log.warning("command refused", why=str(error))
            return
        expires = command.expires
        if expires is None:
            expires = now + _IDENTIFY_WITHIN_S
        elif not await self._state.first_time(
            sha256(node + payload).digest(), max(expires, now), now
        ):
            return
        if sum(1 for other in self._tasks.values() if other == node) >= _AT_ONCE_PER_LAMPPOST:
            self.refused += 1
            lamppost.log.warning("command refused", why="too many are waiting for this lamppost")
            return
        task = asyncio.create_task(self._carry_out(lamppost, command, expires))
        self._tasks[task] = node
        task.add_done_callback(lambda finished: self._tasks.pop(finished, None))

    @property
    def under_way(self) -> set[asyncio.Task[None]]:
        """What is being carried out."""
        return set(self._tasks)

    async def close(self) -> None:
        """Give up what is still waiting."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry_out(
        self, lamppost: Lamppost, command: LampCommand | _Identify, expires: int
    ) -> None:
        if isinstance(command, LampCommand):
            message = management.lamp(command.level, command.seconds)
        else:
            message = management.identify(command.seconds)

        def still_wanted() -> None:
            if self._clock.now() > expires:
                raise Expired(f"expired at {expires}")
            if isinstance(command, LampCommand):
                self.on_lamp(lamppost.node)

        log = lamppost.log.bind(command=command.command)
        try:
            await lamppost.session.ask(
                message, Traffic.COMMAND, idempotent=False, just_before=still_wanted
            )
        except GatewayError as error:
            self.refused += 1
            log.warning("command not carried out", why=str(error))
            return
        except asyncio.CancelledError:
            # It is noted as taken and does not come again.
            log.warning("command given up on its way: the gateway stops, or is set up anew")
            raise
        self.done += 1
        lamppost.wants_facts = True
        lamppost.next_due = 0.0
        log.info("command carried out")

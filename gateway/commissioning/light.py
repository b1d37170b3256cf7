"""The light check: the lamp at several levels, each read back; a person says whether they saw it.

Each level is an override with an end of its own, a little after it is needed: whatever becomes of
this gateway meanwhile, the lamp goes back to its programme.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from gateway.commissioning.checks import FAILURES
from gateway.commissioning.results import Result, Verdict
from gateway.errors import BadReply
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Traffic
from protocol import messages, records, smp
from protocol.errors import ProtocolError

LEVELS: Final = (100, 50, 10)
HOLD_S: Final = 4.0
LONGEST_HOLD_S: Final = 120.0
MOST_LEVELS: Final = 8
# The slowest soft ramp a configuration may ask for, and what asking takes.
_REACHED_S: Final = 65.0
_SPARE_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.25
LOOK_AT: Final = "look at lamp, driver and their wiring"
_SEEN: Final = "say whether you saw it at each of these levels"


async def run(
    lamppost: Lamppost,
    levels: Sequence[int],
    hold_s: float,
    told: Callable[[str, int | None], None],
    now: Callable[[], int],
) -> Result:
    """Show `levels` (0..100 %), each held for `hold_s` (s) once it is reached.

    told(text, level) is called with what goes on and what the lamppost says of its level. Gives
    WAITING, for the person who looks, when all was well. The override is released at the end, also
    when this is cancelled. Raises FAILURES and BufferUnavailable.
    """
    read_back: list[str] = []
    try:
        for level in levels:
            told(f"{level} % asked for", None)
            seconds = math.ceil(hold_s + _REACHED_S + _SPARE_S)
            await _ask(lamppost, management.lamp(level, seconds))
            wrong = await _reaches(lamppost, level, told)
            if wrong:
                return Result(
                    Verdict.FAIL, f"{level} % asked for: {wrong}",
                    "look at lamp faults and what else overrides it", now(),
                )  # fmt: skip
            read_back.append(f"{level} %")
            told(f"at {level} %", level)
            await asyncio.sleep(hold_s)
    finally:
        await release(lamppost)
    lamppost.wants_facts = True
    return Result(Verdict.WAITING, f"read back at {', '.join(read_back)}", _SEEN, now())


async def release(lamppost: Lamppost) -> None:
    """End the override, whatever stops us; what cannot be said ends by itself."""
    task = asyncio.ensure_future(_ask(lamppost, management.lamp(None, 0)))
    try:
        await asyncio.shield(task)
    except FAILURES as error:
        lamppost.log.warning("override not released, it ends by itself", why=str(error))
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=5)
        raise


async def _reaches(lamppost: Lamppost, level: int, told: Callable[[str, int | None], None]) -> str:
    until = time.monotonic() + _REACHED_S
    while True:
        request = smp.pack(smp.OP_READ, smp.GROUP_STREET, 0, messages.LAMP, {})
        body = await _ask(lamppost, request)
        try:
            at, reason, _ = messages.parse_lamp_reply(body)
        except ProtocolError as error:
            raise BadReply(f"lamp: {error}") from error
        told(f"{level} % asked for", at)
        lamppost.level = at
        if at == level and reason == records.REASON_OVERRIDE:
            return ""
        if time.monotonic() > until:
            why = records.REASONS[reason] if reason < len(records.REASONS) else str(reason)
            return f"it stays at {at} % ({why})"
        await asyncio.sleep(_LOOK_EVERY_S)


async def _ask(lamppost: Lamppost, message: bytes) -> dict[str, Any]:
    return await lamppost.session.ask(message, Traffic.COMMAND)

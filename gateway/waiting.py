"""Waiting for an event, but not for ever, and without losing a cancellation."""

from __future__ import annotations

import asyncio


async def happens_within(event: asyncio.Event, seconds: float) -> bool:
    """Whether `event` is set within `seconds` (machine time); returns at once when it is set.

    Not asyncio.wait_for: before Python 3.12 that swallows a cancellation which comes in the same
    turn of the loop as the event or the timeout, and the task that was to stop goes on for ever.
    """
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True

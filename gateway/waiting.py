"""Waiting for an event, but not for ever, and without losing a cancellation."""

from __future__ import annotations

import asyncio

_CANCEL_AGAIN_S = 0.5


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


def go_on() -> None:
    """Raise CancelledError when the task was cancelled and that was lost on the way.

    Before Python 3.12 asyncio.wait_for, which aiomqtt waits by, swallows a cancellation that comes
    in the same turn of the loop as what it waits for; and an error on leaving hides one.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel `tasks` until they have ended, however often that is lost on the way (see go_on)."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_S)
    # Looked at, so that asyncio does not report it.
    await asyncio.gather(*tasks, return_exceptions=True)

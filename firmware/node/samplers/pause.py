"""Waiting in a task that a supervisor watches."""

import asyncio

_STEP_MS = 1000


async def pause(duration_ms, check_in):
    """Sleep `duration_ms`, calling `check_in()` at least every second."""
    while duration_ms > 0:
        check_in()
        step = min(duration_ms, _STEP_MS)
        await asyncio.sleep_ms(step)
        duration_ms -= step
    check_in()

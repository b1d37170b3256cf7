"""Waiting for records to arrive in the city's store."""

import asyncio

from simulators.demo.script import Progress
from simulators.demo.stage import Stage

_LOOK_SECONDS = 0.3


async def stored(stage: Stage, keys: set[tuple[str, int, int]], progress: Progress) -> None:
    """Wait until the city store has every record of ``keys``."""
    missing = keys
    while missing := await asyncio.to_thread(stage.store.missing, missing):
        progress.detail = f"{len(missing)} records on their way"
        await asyncio.sleep(_LOOK_SECONDS)

"""The gateway, killed (kill -9) when an update is about to reach a step, or has just reached it.

    python -m tests.integration.gateway.mortal STEP before|during|after run --config FILE

before: nothing of the step is on its way to the disk; during: it is, and whether it arrives is
chance; after: it is on the disk, and nothing that follows from it was done.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from gateway import main
from gateway.buffer.state import State, Transfer

MOMENTS = ("before", "during", "after")


def die() -> None:
    """As kill -9 does it."""
    os.kill(os.getpid(), signal.SIGKILL)


def make_mortal(step: str, moment: str) -> None:
    """Die at the first update that reaches `step`."""
    save = State.save_transfer

    async def save_or_die(self: State, transfer: Transfer) -> None:
        if transfer.step != step:
            await save(self, transfer)
        elif moment == "before":
            die()
        elif moment == "during":
            saving = asyncio.create_task(save(self, transfer))
            await asyncio.sleep(0)
            die()
            await saving
        else:
            await save(self, transfer)
            die()

    State.save_transfer = save_or_die


if __name__ == "__main__":
    make_mortal(*sys.argv[1:3])
    sys.argv[1:3] = []
    main.main()

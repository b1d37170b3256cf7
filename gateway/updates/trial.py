"""What becomes of an image after the restart that tries it."""

from __future__ import annotations

import asyncio
import time

from gateway.errors import BadReply, LinkUnavailable, NodeRefused, NoReply, SealBroken
from gateway.lampposts.lamppost import Lamppost
from gateway.updates.installed import active, facts, hash_in, idle_with, image_slots
from gateway.updates.sending import Next
from gateway.updates.steps import Step


class Trial:
    """Of the image `image_hash` (hexadecimal) on `lamppost`.

    timeout_s: from the restart to a confirmed image; settle_s: from the restart to the first
    question. Both machine time, and counted anew after a restart of the gateway.
    """

    def __init__(
        self, lamppost: Lamppost, image_hash: str, timeout_s: float, settle_s: float
    ) -> None:
        self._lamppost = lamppost
        self._hash = image_hash
        self._timeout_s = timeout_s
        self._settle_s = settle_s
        self._deadline: float | None = None

    async def look(self) -> Next | None:
        """What follows, None while it is not decided.

        Raises NoReply, LinkUnavailable, SealBroken, BadReply and BufferUnavailable, after which it
        is to be asked again.
        """
        if self._deadline is None:
            self._deadline = time.monotonic() + self._timeout_s
            # The lamppost answers a reset before it goes: asked at once, it would show the old
            # firmware with the trial still pending, and a second reset would hit the trial.
            await asyncio.sleep(self._settle_s)
        try:
            decided = await self._decided()
        except (NoReply, LinkUnavailable, SealBroken, BadReply) as error:
            if self._over():
                return Next(Step.FAILED, f"silent after the restart: {error}")
            raise
        except NodeRefused as refused:
            # Refusing to say what it runs decides nothing about the trial; the deadline does.
            if self._over():
                return Next(Step.FAILED, f"gives no answer after the restart: {refused}")
            raise BadReply(str(refused)) from refused
        if decided is None and self._over():
            return Next(Step.FAILED, "not confirmed in time")
        return decided

    def _over(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    async def _decided(self) -> Next | None:
        slots = await image_slots(self._lamppost)
        running = active(slots)
        if running is None:
            raise BadReply("image state: no active image")
        if hash_in(running) == self._hash:
            return Next(Step.CONFIRMED) if running["confirmed"] else None
        waiting = idle_with(slots, self._hash)
        if waiting is not None and waiting["pending"]:
            self._deadline = None
            return Next(Step.RESET)
        status = await facts(self._lamppost)
        reason = status["update_reason"] or f"the lamppost went back to {running['version']}"
        return Next(Step.REVERTED, reason)

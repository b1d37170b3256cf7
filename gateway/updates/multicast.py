"""Multicasts on one bus: whoever wants the same file gets it with the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.lampposts.lamppost import Lamppost
from gateway.logs import Logger
from gateway.updates.campaign import Campaign
from gateway.updates.figures import Figures
from gateway.updates.members import Outcome
from gateway.updates.parcel import Parcel
from gateway.updates.voice import Voice


class Multicasts:
    """Those of the bus that `voice` speaks on, one for each file at a time.

    slot: an upload slot of the bus, which each takes; gather_s: how long one waits for further
    lampposts before it begins; any_others(): whether the bus has more than one at all.
    """

    def __init__(
        self,
        voice: Voice,
        slot: asyncio.Semaphore,
        gather_s: float,
        figures: Figures,
        log: Logger,
        any_others: Callable[[], bool] = lambda: True,
    ) -> None:
        self.any_others = any_others
        self._voice = voice
        self._slot = slot
        self._gather_s = gather_s
        self._figures = figures
        self._log = log
        self._campaigns: dict[str, Campaign] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def receive(
        self,
        lamppost: Lamppost,
        name: str,
        load: Callable[[], Awaitable[bytes]],
        fresh: bool,
        progressed: Callable[[float], None],
    ) -> Outcome:
        """Bring the file `name` (SHA-256, hexadecimal) to `lamppost`; the others who want it too.

        load: gives the file, which is held once for all; fresh and progressed: as Member has them.
        Raises what `load` does.
        """
        campaign = self._campaigns.get(name)
        if campaign is None or campaign.over:
            data = await load()
            # Another may have begun it meanwhile.
            campaign = self._campaigns.get(name)
            if campaign is None or campaign.over:
                campaign = self._begin(name, data)
        member = campaign.join(lamppost, fresh, progressed)
        return await member.outcome  # cancelled with whoever waits for it, it takes part no more

    async def close(self) -> None:
        """End them all where they stand."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, name: str, data: bytes) -> Campaign:
        parcel = Parcel(data, self._voice.chunk_size)
        campaign = Campaign(
            parcel, self._voice, self._slot, self._gather_s, self._figures, self._log
        )
        self._campaigns[name] = campaign
        task = asyncio.create_task(campaign.run())
        self._tasks.add(task)

        def ended(finished: asyncio.Task[None]) -> None:
            self._tasks.discard(finished)
            if self._campaigns.get(name) is campaign:
                del self._campaigns[name]
            if not finished.cancelled() and (error := finished.exception()) is not None:
                # Whoever took part has it too, and ends the gateway with it.
                self._log.error("multicast failed", error=repr(error))

        task.add_done_callback(ended)
        return campaign

"""From a sighting to the neighbours' lamps: one frame a bus, and no more than one in 50 ms.

Who came by when is theirs: nothing of it is logged, counted by place, kept or sent to the city.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from gateway.errors import GatewayError
from gateway.groups.broadcast import Broadcaster
from gateway.groups.waves import Light, Waves
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Traffic
from gateway.logs import Logger, Trouble

# Waves of one bus that come within this become one.
COALESCE_S = 0.05
# Lampposts without a bus that are told at the same time.
_AT_ONCE = 16


class Escort:
    """Lights the way by `waves`: over `broadcasters`, by bus, or over a lamppost's own link.

    `lampposts` by node id. sent: frames sent.
    """

    def __init__(
        self,
        waves: Waves,
        lampposts: Mapping[bytes, Lamppost],
        broadcasters: Mapping[str, Broadcaster],
        log: Logger,
    ) -> None:
        self._waves = waves
        self._lampposts = lampposts
        self._broadcasters = broadcasters
        self._trouble = Trouble(log, "presence waves are not sent")
        # By bus: address and seconds.
        self._pending: dict[str, dict[int, int]] = {bus: {} for bus in broadcasters}
        self._waiting = {bus: asyncio.Event() for bus in broadcasters}
        self._sent_at = dict.fromkeys(broadcasters, 0.0)
        # The low bits of each lamppost's sightings, as it was last heard to tell.
        self._heard: dict[bytes, int] = {}
        self._single: dict[bytes, asyncio.Task[None]] = {}
        self.sent = 0

    def saw(self, lamppost: Lamppost, sightings: int) -> None:
        """`lamppost` has seen somebody `sightings` times, of which the low 8 bits count.

        The same number again, by a call and by a poll, or since it did not hear that it was heard,
        is nothing new.
        """
        low = sightings & 0xFF
        if self._heard.get(lamppost.node) == low:
            return
        self._heard[lamppost.node] = low
        for light in self._waves.seen(lamppost.node, time.monotonic()):
            self._light(light)

    async def flush(self, bus: str) -> None:
        """Say what is waiting for `bus`; whoever calls holds the line's turn."""
        pending = self._pending[bus]
        if not pending:
            return
        self._pending[bus] = {}
        self._waiting[bus].clear()
        message = management.presence(max(pending.values()), bytes(sorted(pending)))
        self._sent_at[bus] = time.monotonic()
        try:
            await self._broadcasters[bus].say_now(message)
        except GatewayError as error:
            self._trouble.failed(error=str(error))
        else:
            self.sent += 1
            self._trouble.over()

    async def run(self, bus: str) -> None:
        """Say what comes for `bus` from its neighbour bus, or by polls, until cancelled."""
        broadcaster = self._broadcasters[bus]
        while True:
            await self._waiting[bus].wait()
            await asyncio.sleep(max(0.0, self._sent_at[bus] + COALESCE_S - time.monotonic()))
            async with broadcaster.turns.take(Traffic.PRESENCE):
                # A call's own round may have said it meanwhile.
                await self.flush(bus)

    async def close(self) -> None:
        """Give up what is still waiting."""
        for task in self._single.values():
            task.cancel()
        await asyncio.gather(*self._single.values(), return_exceptions=True)

    def _light(self, light: Light) -> None:
        lamppost = self._lampposts.get(light.node)
        if lamppost is None:
            return  # taken out meanwhile
        bus, address = lamppost.bus, lamppost.address
        if bus is not None and bus in self._broadcasters and address is not None:
            pending = self._pending[bus]
            pending[address] = max(light.seconds, pending.get(address, 0))
            self._waiting[bus].set()
        elif lamppost.session.route.best.kind == "lan" and len(self._single) < _AT_ONCE:
            # By radio it would take seconds, and keep it from what else it is for.
            self._tell(lamppost, light.seconds)

    def _tell(self, lamppost: Lamppost, seconds: int) -> None:
        if lamppost.node in self._single:
            return
        task = asyncio.create_task(self._ask(lamppost, seconds))
        self._single[lamppost.node] = task
        task.add_done_callback(lambda _: self._single.pop(lamppost.node, None))

    async def _ask(self, lamppost: Lamppost, seconds: int) -> None:
        try:
            await lamppost.session.ask(management.presence(seconds), Traffic.PRESENCE, attempts=1)
        except GatewayError as error:
            self._trouble.failed(error=str(error))

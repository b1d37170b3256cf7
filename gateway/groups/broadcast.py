"""One frame for all lampposts of a bus, sealed under their shared key."""

from __future__ import annotations

from collections.abc import Callable

from gateway.bus.transaction import Line
from gateway.errors import LinkUnavailable
from gateway.groups.keys import GroupKeys
from gateway.lampposts.turns import Traffic, Turns

# Nobody answers a broadcast, so it is said twice at once: the same bytes, of which a lamppost that
# heard the first passes over the second by its counter.
TIMES = 2


class Broadcaster:
    """Speaks to all on `line`, whose turns are given out by `turns`, under the key of `keys`."""

    def __init__(self, line: Line, turns: Turns, keys: GroupKeys) -> None:
        self.line = line
        self.turns = turns
        self.keys = keys
        self.said = 0

    async def say(self, message: bytes, just_before: Callable[[], None] | None = None) -> None:
        """Say `message`, an SMP message, before whatever else waits for the line.

        just_before: called when the line is ours; may raise to give up.
        Raises LinkUnavailable, SealBroken, BufferUnavailable.
        """
        if not self.line.open:
            raise LinkUnavailable("the bus's port is not open")
        async with self.turns.take(Traffic.COMMAND):
            if just_before is not None:
                just_before()
            await self.say_now(message)

    async def say_now(self, message: bytes) -> None:
        """As `say`, for who holds the line's turn."""
        await self.line.broadcast(await self.keys.seal(message), TIMES)
        self.said += 1

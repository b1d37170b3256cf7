"""Who may be connected, and for how long: an adapter carries only a few connections at once.

A lamppost that gets room stays connected for its turn and a little longer, since a poll has several
requests and an upload hundreds. While others wait, a stay ends when it has gone on for `STAY_S`, or
when nothing has been asked for `GRACE_S`. The one that has waited longest goes next, and a command
before all others.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.errors import LinkUnavailable
from gateway.lampposts.turns import Traffic

# A stay, once it has lasted so long, makes room at the end of an exchange.
STAY_S: Final = 10.0
# Between two requests of one poll or upload; who pauses longer is done.
GRACE_S: Final = 0.3
# While nobody else wants the room.
LINGER_S: Final = 5.0
# A place in the queue is given up after so long.
WAIT_S: Final = 120.0


class Closable(Protocol):
    """A connection, as far as it matters here."""

    up: bool

    async def close(self) -> None:
        """End it."""
        ...


@dataclass(eq=False, slots=True)
class Stay:
    """Room for one lamppost at one adapter.

    since: machine time, s. idle: since when nothing is asked, None while something is.
    """

    key: bytes
    adapter: str
    since: float
    connection: Closable | None = None
    idle: float | None = None
    ending: bool = False


@dataclass(eq=False, slots=True)
class _Place:
    key: bytes
    urgent: bool
    since: float
    adapters: Callable[[], Sequence[str]]
    granted: asyncio.Future[Stay]


class Queue:
    """Gives out stays. room: how many connections each adapter, by name, carries at once."""

    def __init__(self, room: Mapping[str, int]) -> None:
        self._room = dict(room)
        self._stays: list[Stay] = []
        self._places: list[_Place] = []
        self._endings: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def room(self) -> int:
        """Connections that all adapters together carry."""
        return sum(self._room.values())

    @property
    def waiting(self) -> int:
        """Lampposts that wait for room."""
        return len(self._places)

    @property
    def stays(self) -> int:
        """Rooms in use."""
        return len(self._stays)

    async def enter(
        self, key: bytes, traffic: Traffic, adapters: Callable[[], Sequence[str]]
    ) -> Stay:
        """Room for the lamppost `key`, the one it has already or the next that is free.

        adapters: the names of those that could reach it now, the best first; asked again and again.
        Whoever calls ends what was asked with `rest` or `end`, and asks nothing twice at a time.
        Raises LinkUnavailable when no adapter reaches it, or none had room for `WAIT_S`.
        """
        for stay in self._stays:
            if stay.key == key and not stay.ending:
                stay.idle = None
                return stay
        place = _Place(key, traffic is Traffic.COMMAND, self._now(), adapters, self._future())
        self._places.append(place)
        self.look()
        try:
            async with asyncio.timeout(WAIT_S):
                return await place.granted
        except BaseException as error:
            self._withdraw(place)
            if isinstance(error, TimeoutError):
                raise LinkUnavailable(f"no adapter had room for {WAIT_S:.0f} s") from None
            raise

    def rest(self, stay: Stay) -> None:
        """An exchange has ended; another may follow."""
        if not stay.ending:
            stay.idle = self._now()
            self.look()

    def end(self, stay: Stay) -> None:
        """The stay is over; its room is free once its connection has been closed."""
        if not stay.ending:
            stay.ending = True
            task = asyncio.create_task(self._end(stay))
            self._endings.add(task)
            task.add_done_callback(self._endings.discard)

    def look(self) -> None:
        """See who can go, and who has to."""
        now = self._now()
        for stay in self._stays:
            if stay.idle is not None and stay.connection is not None and not stay.connection.up:
                self.end(stay)
        self._deal(now)
        for stay in self._stays:
            if stay.idle is not None and now - stay.idle >= LINGER_S:
                self.end(stay)
        self._set_timer(now)

    async def close(self) -> None:
        """End all stays, and wait until their connections are closed."""
        if self._timer is not None:
            self._timer.cancel()
        for stay in list(self._stays):
            self.end(stay)
        if self._endings:
            await asyncio.wait(self._endings)

    def _deal(self, now: float) -> None:
        # Room that is about to be free is spoken for by who is first in the queue.
        coming = Counter(stay.adapter for stay in self._stays if stay.ending)
        for place in sorted(self._places, key=lambda one: (not one.urgent, one.since)):
            if place.granted.done():
                continue  # given up a moment ago
            names = [name for name in place.adapters() if name in self._room]
            if not names:
                self._places.remove(place)
                place.granted.set_exception(LinkUnavailable("no adapter hears the lamppost"))
                continue
            free = next((name for name in names if self._used(name) < self._room[name]), None)
            if free is not None:
                self._grant(place, free, now)
                continue
            soon = next((name for name in names if coming[name] > 0), None)
            if soon is not None:
                coming[soon] -= 1
                continue
            stay = self._who_has_to_go(names, place.urgent, now)
            if stay is not None:
                self.end(stay)

    def _withdraw(self, place: _Place) -> None:
        if place in self._places:
            self._places.remove(place)
        granted = place.granted
        if granted.done() and not granted.cancelled() and granted.exception() is None:
            # Room had just been given to who no longer wants it.
            self.end(granted.result())

    def _grant(self, place: _Place, adapter: str, now: float) -> None:
        self._places.remove(place)
        stay = Stay(place.key, adapter, now)
        self._stays.append(stay)
        place.granted.set_result(stay)

    def _who_has_to_go(self, names: Sequence[str], urgent: bool, now: float) -> Stay | None:
        grace = 0.0 if urgent else GRACE_S
        idle = [
            (stay.idle, stay)
            for stay in self._stays
            if stay.adapter in names and not stay.ending and stay.idle is not None
        ]
        over = [
            (since, stay)
            for since, stay in idle
            if now - since >= grace or now - stay.since >= STAY_S
        ]
        return min(over, key=lambda pair: pair[0])[1] if over else None

    async def _end(self, stay: Stay) -> None:
        try:
            if stay.connection is not None:
                await stay.connection.close()
        finally:
            self._stays.remove(stay)
            self.look()

    def _used(self, adapter: str) -> int:
        return sum(stay.adapter == adapter for stay in self._stays)

    def _set_timer(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pause = GRACE_S if self._places else LINGER_S
        due = [
            stay.idle + pause for stay in self._stays if stay.idle is not None and not stay.ending
        ]
        if due:
            self._timer = asyncio.get_running_loop().call_later(
                max(0.01, min(due) - now), self.look
            )

    def _future(self) -> asyncio.Future[Stay]:
        return asyncio.get_running_loop().create_future()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

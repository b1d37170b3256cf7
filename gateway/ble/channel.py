"""The way to one lamppost by Bluetooth: connected when there is something to ask.

What a user of it should know: a turn may wait for seconds, until there is room (`queue`) and a
connection (about 0.1 to 2 s). Several lampposts are served at once, as many as the adapters have
connections (`BleLink.at_once`); more at a time only wait. The connection is kept for a moment after
a turn, so ask one thing after the other without a pause: an upload's next chunk, a poll's next
batch. While others wait a lamppost is let go after `queue.STAY_S`, between two exchanges; its next
turn waits in the queue. A lamppost lets strangers begin an upload by radio seldom: seal the first
chunk. A whole message of `mtu` bytes goes in one exchange, whatever the connection's own MTU.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from gateway.ble.connection import Connection, Disconnected
from gateway.ble.queue import Queue, Stay
from gateway.ble.radio import Radio
from gateway.ble.remedies import FAILURES, Remedy, describe, fault_of
from gateway.ble.sighting import Sighting
from gateway.errors import LinkUnavailable, NoReply
from gateway.lampposts.channel import LinkKind
from gateway.lampposts.turns import Traffic, Turns
from gateway.logs import Logger, Trouble
from protocol.busframe import MAX_PAYLOAD

# It advertises every second or so; unheard for so long it is out of reach.
_HEARD_S: Final = 30.0
_ATTEMPTS: Final = 3
_REPLY_S: Final = 4.0
# Connections tried for one turn.
_CONNECTS: Final = 3
# An adapter that could not reach it is not the first choice for so long.
_AVOID_S: Final = 60.0
_BACK_OFF_FIRST_S: Final = 2.0
_BACK_OFF_MOST_S: Final = 60.0


class Heard(Protocol):
    """Whom the channel leads to: who hears it, by adapter."""

    @property
    def sightings(self) -> Mapping[str, Sighting]:
        """By adapter."""
        ...


class BleChannel:
    """A `gateway.lampposts.channel.Channel`; `log` is the lamppost's.

    Counters: `connects`, `failures` to connect, `drops` of connections with a request on its way,
    `repeats` of requests.
    """

    def __init__(
        self,
        key: bytes,
        heard: Heard,
        radios: Mapping[str, Radio],
        queue: Queue,
        log: Logger,
        machine_time: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind: LinkKind = "ble"
        self.mtu = MAX_PAYLOAD
        self._key = key
        self._heard = heard
        self._radios = radios
        self._queue = queue
        self._trouble = Trouble(log, "not connected by Bluetooth")
        self._now = machine_time
        self._turns = Turns()
        self._stay: Stay | None = None
        self._traffic = Traffic.POLL
        self._connection: Connection | None = None
        self._mute = False
        self._failed_in_a_row = 0
        self._back_off_until = 0.0
        self._avoided: dict[str, float] = {}
        self.connects = 0
        self.failures = 0
        self.drops = 0
        self.repeats = 0

    @property
    def available(self) -> bool:
        """Whether an adapter hears it, and the last attempt to connect did not just fail."""
        if self._connection is not None and self._connection.up:
            return True
        return self._now() >= self._back_off_until and bool(self._adapters())

    @asynccontextmanager
    async def turn(self, traffic: Traffic) -> AsyncGenerator[None]:
        """Wait for room and a connection, and hold it. Raises LinkUnavailable."""
        async with self._turns.take(traffic):
            self._traffic = traffic
            self._mute = False
            self._stay = await self._connected(traffic)
            try:
                yield
            finally:
                self._leave()

    async def exchange(
        self, message: bytes, *, attempts: int | None = None, patience_s: float = 0
    ) -> tuple[bytes, bool]:
        """As Channel has it; a connection that is lost meanwhile is made again."""
        most = attempts or _ATTEMPTS
        for attempt in range(1, most + 1):
            try:
                connection = await self._held()
                reply = await connection.exchange(message, _REPLY_S + patience_s)
            except (NoReply, Disconnected, *FAILURES) as error:
                self.drops += isinstance(error, Disconnected)
                # The last attempt's silence, or a failure of BlueZ's: the next begins with a
                # connection of its own.
                self._mute = attempt == most or not isinstance(error, NoReply)
                if attempt == most:
                    raise NoReply(f"no reply by Bluetooth: {error}") from error
                self.repeats += 1
            else:
                self._mute = False
                if self._stay is not None:
                    self._radios[self._stay.adapter].works()
                return reply, attempt > 1
        raise NoReply("no attempt was made")

    async def _held(self) -> Connection:
        """The connection of this turn; another one, by whichever adapter, where it was lost."""
        if self._stay is None or self._mute or not self._up(self._stay):
            self._leave()
            self._stay = await self._connected(self._traffic)
        if self._connection is None:
            raise RuntimeError("an exchange is made within a turn")
        return self._connection

    def _leave(self) -> None:
        stay, self._stay = self._stay, None
        if stay is None:
            return
        if self._mute or not self._up(stay):
            self._queue.end(stay)
        else:
            self._queue.rest(stay)

    def _up(self, stay: Stay) -> bool:
        return stay.connection is not None and stay.connection.up

    async def _connected(self, traffic: Traffic) -> Stay:
        why = "no adapter hears the lamppost"
        for _ in range(_CONNECTS):
            stay = await self._queue.enter(self._key, traffic, self._adapters)
            # One that another channel has made, before a reload, is not known here: made anew.
            if self._up(stay) and stay.connection is self._connection:
                return stay
            try:
                await self._open(stay)
            except FAILURES as error:
                self._queue.end(stay)
                why = describe(error)
                if not self._worth_another(error, stay.adapter):
                    break
            except BaseException:
                self._queue.end(stay)
                raise
            else:
                return stay
        self.failures += 1
        pause = min(_BACK_OFF_MOST_S, _BACK_OFF_FIRST_S * 2 ** min(self._failed_in_a_row, 10))
        self._failed_in_a_row += 1
        self._back_off_until = self._now() + pause
        self._trouble.failed(error=why)
        raise LinkUnavailable(f"not connected by Bluetooth: {why}")

    async def _open(self, stay: Stay) -> Connection:
        sighting = self._heard.sightings.get(stay.adapter)
        if sighting is None:
            raise LinkUnavailable(f"{stay.adapter} does not hear the lamppost any more")
        if stay.connection is not None:
            await stay.connection.close()
            stay.connection = None
        radio = self._radios[stay.adapter]
        connection = await radio.connect(sighting.device, self._queue.look)
        self._mute = False
        stay.connection = self._connection = connection
        self.connects += 1
        self._trouble.over()
        self._failed_in_a_row = 0
        self._avoided.pop(stay.adapter, None)
        return connection

    def _worth_another(self, error: BaseException, adapter: str) -> bool:
        remedy = fault_of(error).remedy
        if remedy is Remedy.RETRY_NOW:
            return True
        self._avoided[adapter] = self._now() + _AVOID_S
        others = [name for name in self._adapters() if name != adapter]
        return remedy is not Remedy.BACK_OFF and bool(others)

    def _adapters(self) -> Sequence[str]:
        """Those that could reach it, the best first."""
        now = self._now()
        there = [
            (self._avoided.get(name, 0.0) > now, -sighting.rssi, name)
            for name, sighting in self._heard.sightings.items()
            if now - sighting.at <= _HEARD_S and self._radios[name].up
        ]
        return [name for _, _, name in sorted(there)]

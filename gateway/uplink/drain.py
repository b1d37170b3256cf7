"""Records go up: pipelined, deleted when acknowledged, live ones between those of the backlog."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from gateway.backoff import FullJitter
from gateway.buffer.records import Records, Row
from gateway.errors import BufferUnavailable, GatewayError
from gateway.logs import Logger, Trouble
from gateway.uplink import batches
from gateway.uplink import client as mqtt
from gateway.uplink.client import VerdictClient
from gateway.uplink.presence import Presence

_WINDOW = 1000
_PUBACK_TIMEOUT_S = 60.0
# A broker that refuses, or has no subscriber yet: ask again, but not in a loop.
_REFUSED_FIRST_S = 0.5
_REFUSED_MOST_S = 30.0
# After a connect the announcements of the ingests are on their way: not yet worth a warning.
_ANNOUNCED_WITHIN_S = 5.0
_FRUITLESS = 3
# Room for any one record.
_LEAST_BYTES = 1024
_NEVER = frozenset({mqtt.TOPIC_NAME_INVALID, mqtt.PACKET_TOO_LARGE, mqtt.PAYLOAD_FORMAT_INVALID})


class NotTaken(GatewayError):
    """The broker did not take a message, and may take it later."""


@dataclass
class _Lane:
    """What is still to be sent on this connection: `ready`, then rows with after < id <= until."""

    after: int
    until: int | None
    ready: deque[list[Row]] = field(default_factory=deque[list[Row]])


class Drain:
    """Sends what is in `records` over one connection after another.

    in_flight: messages on the way at once. presence: records are kept until an ingest is there and
    the broker has a subscriber for them; None: the broker's PUBACK is enough.
    """

    def __init__(
        self,
        records: Records,
        topic: str,
        in_flight: int,
        presence: Presence | None,
        log: Logger,
    ) -> None:
        self._records = records
        self._topic = topic
        self._in_flight = in_flight
        self._presence = presence
        # Halved when the broker finds a message too large, whatever it said of its limit.
        self._most_bytes = batches.MOST_BYTES
        # Of this connection; and connections in a row that took nothing of what they were sent.
        self._sent = self._taken = False
        self._fruitless = 0
        self._trouble = Trouble(log, "the broker does not take records; they are kept")
        self._held = Trouble(log, "records held: no ingest has announced itself")
        self._rejected = Trouble(log, "the broker will never take some records; moved aside")

    async def run(self, client: VerdictClient) -> None:
        """Send over `client` until cancelled. Raises aiomqtt.MqttError when the connection ends."""
        backoff = FullJitter(_REFUSED_FIRST_S, _REFUSED_MOST_S)
        self._sent = self._taken = False
        try:
            while True:
                try:
                    async with asyncio.TaskGroup() as group:
                        await self._pass(client, group, backoff)
                except* (NotTaken, BufferUnavailable) as refused:
                    self._trouble.failed(why=str(refused.exceptions[0]))
                await asyncio.sleep(backoff.next_delay())
        finally:
            if self._sent and not self._taken:
                self._fruitless += 1
            said = client.ended is not None and client.ended.value == mqtt.PACKET_TOO_LARGE
            # Some only break the connection off, or say why in words that come too late.
            if said or self._fruitless >= _FRUITLESS:
                self._smaller()

    def _room(self, client: VerdictClient) -> int:
        return min(self._most_bytes, batches.room(client.largest_packet, self._topic))

    def _smaller(self) -> None:
        self._most_bytes = max(_LEAST_BYTES, self._most_bytes // 2)

    async def _pass(
        self, client: VerdictClient, group: asyncio.TaskGroup, backoff: FullJitter
    ) -> None:
        """Send everything from the oldest on; new records do not wait for the backlog."""
        slots = asyncio.Semaphore(self._in_flight)
        boundary = self._records.last_id
        # One message of each in turn: old and new share the line evenly.
        lanes = (_Lane(boundary, None), _Lane(0, boundary))
        while True:
            self._records.added.clear()
            idle = True
            for lane in lanes:
                if not lane.ready:
                    rows = await self._window(lane)
                    lane.ready.extend(batches.pack(rows, self._room(client)))
                if lane.ready:
                    idle = False
                    await slots.acquire()
                    await self._ingest_there()
                    group.create_task(self._send(client, lane.ready.popleft(), slots, backoff))
            if idle:
                await self._records.added.wait()

    async def _ingest_there(self) -> None:
        """Wait until an ingest is there to store what is sent."""
        if self._presence is None:
            return
        if not self._presence.known:
            try:
                # Not wait_for: before Python 3.12 it can lose a cancellation.
                async with asyncio.timeout(_ANNOUNCED_WITHIN_S):
                    await self._presence.wait()
            except TimeoutError:
                self._held.failed()
                await self._presence.wait()
        self._held.over()

    async def _window(self, lane: _Lane) -> list[Row]:
        if lane.after >= (self._records.last_id if lane.until is None else lane.until):
            return []
        rows = await self._records.begin(lane.after, lane.until, _WINDOW)
        if rows:
            lane.after = rows[-1].id
        elif lane.until is not None:
            lane.after = lane.until
        return rows

    async def _send(
        self,
        client: VerdictClient,
        rows: list[Row],
        slots: asyncio.Semaphore,
        backoff: FullJitter,
    ) -> None:
        try:
            if batches.size(rows) > batches.room(client.largest_packet, self._topic):
                raise NotTaken(
                    f"packets of at most {client.largest_packet} bytes are too small for a record; "
                    "have the broker take larger ones"
                )
            self._sent = True
            verdict = await client.send(
                self._topic, batches.payload(rows), batches.properties(), _PUBACK_TIMEOUT_S
            )
        finally:
            slots.release()
        if verdict == mqtt.PACKET_TOO_LARGE and len(rows) > 1:
            self._smaller()
            raise NotTaken(f"{len(rows)} records in one message are too large for it")
        if verdict in _NEVER:
            self._rejected.failed(code=verdict, records=len(rows))
            await self._records.reject(rows, f"refused by the broker, reason code {verdict}")
            return
        if verdict == mqtt.NO_MATCHING_SUBSCRIBERS and self._presence is not None:
            raise NotTaken("it has no subscriber for them")
        if verdict >= mqtt.FIRST_FAILURE:
            raise NotTaken(f"reason code {verdict}")
        if self._presence is not None and not self._presence.known:
            # Gone while this was on its way: somebody else may have been the only one to get it.
            raise NotTaken("the last ingest has gone")
        self._taken = True
        self._fruitless = 0
        await self._records.accept(rows)
        backoff.reset()
        self._trouble.over()

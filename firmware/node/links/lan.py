"""The local network: SMP over MQTT to the broker of the cabinet (protocol.lantopics).

Wi-Fi, name, connection, TLS, MQTT, subscription: each has its deadline, and what fails is given up
as a whole and begun again after a random pause. A look at the socket every few milliseconds takes
the place of waiting for it: a TLS stream, a full port and a dead peer each look different to a
poll, on each port of MicroPython, and nothing here may ever wait.
"""

import asyncio
import gc
import os
import time

from protocol import lantopics

from .lanwire import Wire, authority, is_literal, resolve
from .mqtt import Lost, Session

NAME = "lan"

# Between two looks at the socket: with traffic, and without.
_BUSY_MS = 2
_IDLE_MS = 20
_BUSY_FOR_MS = 100
# Bytes in one look are bounded by the buffers; so are looks in a row without a pause.
_GULPS = 4
# Between two looks at Wi-Fi, settings and document.
_CARE_MS = 1000
# Requests waiting for their turn; whoever asks repeats one that was dropped.
_QUEUE = 4
# A reply that finds no room for so long is given up.
_REPLY_MS = 10_000
# Pauses between attempts are random up to a limit that doubles ("full jitter"), so that a street
# whose broker comes back does not come back in step.
_FIRST_PAUSE_MS = 1000
_LONGEST_PAUSE_MS = 120_000
_LEAST_PAUSE_MS = 200
# A connection that lasted so long has proved itself: the next failure is the first again.
_PROVEN_MS = 30_000
# How long a handshake waits for the lamp to end its ramp.
_CALM_MS = 5000


class LanLink:
    """The link.

    node: node id, 12 hex digits. file: NetworkFile. server: Server. clock: Clock. is_wanted: asks
    whether the configuration has the link on. state: gives the payload of the retained state, which
    is published whenever it has changed. is_calm: asks whether the lamp is not just ramping.
    station: makes the Wi-Fi station, called when there is an SSID to join.

    up: connected and subscribed. reason: why it is not, or "". connections: made since start.
    answered: replies published. dropped: requests and replies given up. rejected: messages that are
    none of ours. rssi: dBm, 0 without Wi-Fi.
    """

    def __init__(self, node, file, server, clock, is_wanted, state, is_calm, station):
        self._file = file
        self._server = server
        self._clock = clock
        self._is_wanted = is_wanted
        self._state = state
        self._is_calm = is_calm
        self._make_station = station
        self._station = None
        self._node = node
        self._request = lantopics.topic(node, lantopics.REQUEST).encode()
        self._reply = lantopics.topic(node, lantopics.REPLY).encode()
        self._topic = lantopics.topic(node, lantopics.STATE).encode()
        self._wire = Wire()
        self._session = None
        self._answers = False  # the task that answers runs
        self._changes = None  # of the document that session and context were made of
        self._context = None
        self._address_known = ""  # last one found for its host
        self._told = b""  # state last published on this connection
        self._queue = []
        self._waiting = asyncio.Event()
        self._failures = 0
        self._rejected = 0
        self._up_at = 0
        self.up = False
        self.reason = "not begun"
        self.connections = 0
        self.answered = 0
        self.dropped = 0

    @property
    def rejected(self) -> int:
        """Messages that were retained, too large, or of another topic."""
        return self._rejected + (self._session.refused if self._session is not None else 0)

    @property
    def rssi(self) -> int:
        """Strength of the access point's signal, dBm; 0 when there is none."""
        return self._station.rssi() if self._station is not None else 0

    async def run(self, check_in):
        """Be connected while that is wanted, and answer."""
        answering = asyncio.create_task(self._answer())
        try:
            while not answering.done():
                check_in()
                began = time.ticks_ms()
                try:
                    await self._attend(check_in)
                except Lost as error:
                    reason = str(error)
                except MemoryError:
                    gc.collect()
                    reason = "out of memory"
                except Exception as error:  # noqa: BLE001 - a peer's bytes end here, whatever they do
                    reason = "failed: %r" % (error,)
                self._close(reason)
                await self._pause(check_in, began)
            raise RuntimeError("the task that answers has ended")
        finally:
            answering.cancel()
            self._close("stopped")
            if self._station is not None:
                self._station.leave()

    def _close(self, reason):
        self._wire.close()
        self._queue.clear()
        self.up = False
        self.reason = reason[:120]

    async def _pause(self, check_in, began):
        now = time.ticks_ms()
        if self._up_at and time.ticks_diff(now, self._up_at) >= _PROVEN_MS:
            self._failures = 0
        self._up_at = 0
        limit = min(_FIRST_PAUSE_MS << min(self._failures, 10), _LONGEST_PAUSE_MS)
        self._failures += 1
        pause = _LEAST_PAUSE_MS + int.from_bytes(os.urandom(4), "little") % limit
        changes = self._file.changes
        end = time.ticks_add(now, pause)
        while time.ticks_diff(end, time.ticks_ms()) > 0 and self._file.changes == changes:
            check_in()
            await asyncio.sleep_ms(min(_CARE_MS, pause))

    # ------------------------------------------------------------------ one connection

    async def _attend(self, check_in):
        """Connect, and serve until that ends. Raises Lost, or what a hostile peer may cause."""
        obstacle = self._obstacle()
        while obstacle:
            self._failures = 0
            self.reason = obstacle
            check_in()
            await asyncio.sleep_ms(_CARE_MS)
            obstacle = self._obstacle()
        session = self._prepare()
        values = self._file.values
        if values["s"]:
            await self._join(values, check_in)
        check_in()
        address = await self._address(values["h"])
        check_in()
        await self._calm()
        if values["t"] and self._context is None:
            self._context = authority(values["c"])
        await self._wire.open(address, values["p"], self._context, values["n"])
        await self._serve(session, check_in)

    def _obstacle(self):
        """Why no connection is tried, "" when there is nothing against it."""
        if not self._is_wanted():
            return "off"
        values = self._file.values
        if values is None:
            return self._file.reason or "no network document"
        if values["t"] and not self._clock.is_set:
            return "the clock is not set, so no certificate can be checked"
        return ""

    def _prepare(self):
        """The session; it and the context are made anew when the document is another."""
        session = self._session
        if session is not None and self._changes == self._file.changes:
            return session
        values = self._file.values
        if session is not None:
            self._rejected += session.refused
        self._context = None
        self._session = None
        self._address_known = ""
        gc.collect()
        will = (self._topic, lantopics.offline())
        client = "lamplighter-" + self._node
        session = self._session = Session(
            client.encode(), will, values["u"].encode(), values["w"].encode(), self._came
        )
        self._changes = self._file.changes
        return session

    async def _join(self, values, check_in):
        if self._station is None:
            await self._calm()
            self._station = self._make_station()
        if not self._station.is_joined():
            await self._station.join(values["s"], values["k"])
        check_in()

    async def _address(self, host):
        if is_literal(host):
            return host
        server = self._station.name_server() if self._station is not None else ""
        try:
            self._address_known = await resolve(host, server)
        except Lost:
            # Names are asked for at each connection; an old answer is better than none.
            if not self._address_known:
                raise
        return self._address_known

    async def _calm(self):
        """Wait until the lamp stands still, for what holds up its task; not for ever."""
        end = time.ticks_add(time.ticks_ms(), _CALM_MS)
        while not self._is_calm() and time.ticks_diff(end, time.ticks_ms()) > 0:
            await asyncio.sleep_ms(_IDLE_MS)

    async def _serve(self, session, check_in):
        now = time.ticks_ms()
        session.begin(now)
        self._told = b""
        cared = busy = now
        while True:
            check_in()
            now = time.ticks_ms()
            session.tick(now)
            if self._move(session, now):
                busy = now
            if session.ready and not self.up:
                self.up = True
                self.reason = ""
                self.connections += 1
                self._up_at = now
            elif session.connected and not session.ready and not session.subscribing:
                session.subscribe(self._request, now)
            if time.ticks_diff(now, cared) >= _CARE_MS or (self.up and not self._told):
                cared = now
                await self._care(session, now)
            recent = time.ticks_diff(now, busy) < _BUSY_FOR_MS
            await asyncio.sleep_ms(_BUSY_MS if recent else _IDLE_MS)

    def _move(self, session, now):
        """Move what can be moved each way; whether anything was."""
        moved = False
        for _ in range(_GULPS):
            out = session.outgoing()
            count = self._wire.write(out) if len(out) else 0
            if count:
                session.sent(count, now)
            came = self._wire.read(session.room())
            if came:
                session.came(came, now)
            if not count and not came:
                break
            moved = True
        return moved

    async def _care(self, session, now):
        """Look after Wi-Fi, settings, document and state."""
        if not self._is_wanted() or self._changes != self._file.changes:
            if self.up:  # no will is published of who takes leave
                session.publish(self._topic, lantopics.offline(), now, True)
            session.end()
            self._move(session, now)
            await asyncio.sleep_ms(_IDLE_MS)  # the port has time to send it
            raise Lost("not wanted any more")
        if not self._answers:
            raise Lost("the task that answers has ended")
        if self._station is not None and not self._station.is_joined():
            raise Lost("the access point is gone")
        if self.up:
            state = self._state()
            if state != self._told and session.publish(self._topic, state, now, True):
                self._told = state

    # ------------------------------------------------------------------ requests

    def _came(self, topic, message):
        """For the session: a message from the broker."""
        if topic != self._request:
            self._rejected += 1
        elif len(self._queue) >= _QUEUE:
            self.dropped += 1
        else:
            self._queue.append(message)
            self._waiting.set()

    async def _answer(self):
        """Answer the requests in their order. A task of its own: an answer may take minutes."""
        self._answers = True
        try:
            while True:
                await self._waiting.wait()
                self._waiting.clear()
                while self._queue:
                    await self._answer_one(self._queue.pop(0))
        finally:
            self._answers = False

    async def _answer_one(self, message):
        connection = self.connections
        try:
            reply = await self._server.handle(message, NAME)
            if reply is not None:
                await self._send(reply, connection)
        except (MemoryError, Lost):
            gc.collect()
            self.dropped += 1

    async def _send(self, reply, connection):
        began = time.ticks_ms()
        while time.ticks_diff(time.ticks_ms(), began) < _REPLY_MS:
            # Whoever asked over a connection that is gone has given up.
            session = self._session
            if session is None or not self.up or self.connections != connection:
                break
            if session.publish(self._reply, reply, time.ticks_ms()):
                self.answered += 1
                return
            await asyncio.sleep_ms(_IDLE_MS)
        self.dropped += 1

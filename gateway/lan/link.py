"""The gateway's connection to its own broker: requests out, replies and states in.

What comes over it was written by lampposts, or by whoever has taken one apart: it is checked, and
kept only as far as there are lampposts. The broker lets a lamppost write nothing but its own.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from collections.abc import Callable, Iterable

import aiomqtt

from gateway.backoff import FullJitter
from gateway.errors import LinkUnavailable, NoReply
from gateway.lan.floods import Floods
from gateway.lan.mosquitto import LOG_TOPIC
from gateway.lan.waiting import Waiting
from gateway.logs import Logger, Trouble
from gateway.waiting import go_on
from protocol import lantopics
from protocol.errors import ProtocolError

_RETRY_FIRST_S = 0.2
_RETRY_MOST_S = 10.0
_KEEPALIVE_S = 10
_TIMEOUT_S = 5.0
# What is cut off sooner has not recovered: it waits longer each time.
_STABLE_S = 10.0
# What is read is dealt with at once; a bound all the same, for a broker that pours.
_MOST_WAITING = 1000
# An acknowledgement is followed by the next request: the second is not to wait for the peer to say
# that it has the first, which takes it 40 ms.
_SOCKET_OPTIONS = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
# In mosquitto's log, of a client that was shown away. On the lampposts' listener a client id is the
# name of the user that was tried.
_REFUSED = re.compile(r"Client (?:lamplighter-)?([0-9a-f]{12}) .*not authori[sz]ed")

# What aiomqtt has to say of a queue that is full is said once for each message in it.
_QUIET = logging.getLogger("gateway.lan.mqtt")
_QUIET.setLevel(logging.CRITICAL)

Told = Callable[[bytes], None]


class LanLink:
    """Stays connected to the broker on loopback as `user`, for the lampposts `nodes`.

    ready: set while there is a connection. on_state(node): called when a lamppost has come or gone;
    on_stranger(node): a lamppost that is none of ours was seen, or tried to connect;
    on_flood(node): one of ours says so much unasked that the others may not be heard.

    passed_over: replies that nobody waited for; refused: messages that were none of ours, or
    broken; turned_away: of our own lampposts, those whose credential the broker does not take, and
    how often.
    """

    def __init__(
        self, port: int, user: str, password: str, nodes: Iterable[bytes], log: Logger
    ) -> None:
        self._port = port
        self._user = user
        self._password = password
        self._nodes = frozenset(nodes)
        self._trouble = Trouble(log.bind(port=port), "local broker unavailable")
        self._log = log
        self._client: aiomqtt.Client | None = None
        self._on: set[bytes] = set()
        self._waiting: dict[bytes, Waiting] = {}
        self.ready = asyncio.Event()
        self._floods = Floods()
        self.on_state: Told = lambda _: None
        self.on_stranger: Told = lambda _: None
        self.on_flood: Told = lambda _: None
        self.connections = 0
        self.passed_over = 0
        self.refused = 0
        self.turned_away: dict[bytes, int] = {}

    def set_nodes(self, nodes: Iterable[bytes]) -> None:
        """The lampposts are these from now on; what was known of others is forgotten."""
        self._nodes = frozenset(nodes)
        self._on &= self._nodes
        self.turned_away.clear()

    def is_on(self, node: bytes) -> bool:
        """Whether `node` is connected to the broker, and so are we."""
        return node in self._on

    async def run(self) -> None:
        """Stay connected until cancelled."""
        backoff = FullJitter(_RETRY_FIRST_S, _RETRY_MOST_S)
        while True:
            began = time.monotonic()
            try:
                await self._connection()
            except (aiomqtt.MqttError, OSError) as error:
                go_on()
                self._trouble.failed(why=str(error))
            if time.monotonic() - began >= _STABLE_S:
                backoff.reset()
            await asyncio.sleep(backoff.next_delay())

    async def request(self, node: bytes, message: bytes, timeout_s: float) -> bytes:
        """Send one SMP message to `node` and give the reply with its sequence, group and command.

        One request of a lamppost at a time: who calls holds its turn. Raises NoReply when none came
        in time or the lamppost went away, and LinkUnavailable when the broker did, at once.
        """
        client = self._client
        if client is None:
            raise LinkUnavailable("the local broker is not connected")
        topic = lantopics.topic(node.hex(), lantopics.REQUEST)
        waiting = self._waiting[node] = Waiting(message)
        # A task, since it does not notice by itself when the connection ends.
        sending = asyncio.create_task(client.publish(topic, message))
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wait({sending, waiting.reply}, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.reply.done():
                    sending.result()
                return await waiting.reply
        except TimeoutError:
            raise NoReply("no reply in time over the local network") from None
        except (aiomqtt.MqttError, OSError) as error:
            raise LinkUnavailable(f"the local broker went away: {error}") from error
        finally:
            if self._waiting.get(node) is waiting:
                del self._waiting[node]
            waiting.close()
            if not sending.cancel() and not sending.cancelled():
                sending.exception()  # looked at, so that asyncio does not report it

    async def _connection(self) -> None:
        # A fresh client for each connection: none inherits another's trouble.
        async with aiomqtt.Client(
            "127.0.0.1",
            self._port,
            username=self._user,
            password=self._password,
            identifier=f"lamplighter-{self._user}",
            keepalive=_KEEPALIVE_S,
            timeout=_TIMEOUT_S,
            max_queued_incoming_messages=_MOST_WAITING,
            socket_options=_SOCKET_OPTIONS,
            logger=_QUIET,
        ) as client:
            try:
                for kind in (lantopics.REPLY, lantopics.STATE):
                    await client.subscribe(lantopics.topic("+", kind), qos=1)
                await client.subscribe(LOG_TOPIC)
                go_on()
                self._client = client
                self.connections += 1
                self.ready.set()
                self._trouble.over()
                self._log.info("connected to the local broker")
                async for message in client.messages:
                    self.take(str(message.topic), message.payload, retained=message.retain)
            finally:
                self._lost()

    def _lost(self) -> None:
        self._client = None
        self.ready.clear()
        for waiting in self._waiting.values():
            waiting.fail(LinkUnavailable("the local broker went away"))
        gone, self._on = self._on, set()
        for node in gone:
            self.on_state(node)

    def take(self, topic: str, payload: object, *, retained: bool = False) -> None:
        """Take one message, whatever is in it."""
        data = payload if isinstance(payload, bytes) else b""
        if topic == LOG_TOPIC:
            self._said_by_broker(data)
            return
        try:
            text, kind = lantopics.parse_topic(topic)
        except ProtocolError:
            self.refused += 1
            return
        node = bytes.fromhex(text)
        if self._wanted(node, kind, data, retained) or node not in self._nodes:
            return
        if self._floods.pours(node):
            self._log.warning("lamppost pours: says too much unasked", lamppost=text)
            self._state(node, lantopics.offline())
            self.on_flood(node)

    def _wanted(self, node: bytes, kind: str, data: bytes, retained: bool) -> bool:
        """Take what `node` said; whether somebody waited for it."""
        try:
            if kind == lantopics.STATE:
                self._state(node, data)
            elif kind == lantopics.REPLY and node in self._nodes and not retained:
                return self._reply(node, data)
            else:
                self.refused += 1
        except ProtocolError as error:
            self.refused += 1
            self._log.debug("message over the local network refused", why=str(error)[:200])
        return False

    def _state(self, node: bytes, data: bytes) -> None:
        # Nothing in a retained topic: its state was taken away.
        on = bool(data) and lantopics.parse_state(data)["on"]
        if node not in self._nodes:
            if on:
                self.on_stranger(node)
            return
        if on == (node in self._on):
            return
        if on:
            self._on.add(node)
        else:
            self._on.discard(node)
            waiting = self._waiting.get(node)
            if waiting is not None:
                waiting.fail(NoReply("the lamppost has left the local network"))
        self.on_state(node)

    def _reply(self, node: bytes, data: bytes) -> bool:
        waiting = self._waiting.get(node)
        if waiting is not None and waiting.answered_by(data):
            return True
        self.passed_over += 1
        return False

    def _said_by_broker(self, line: bytes) -> None:
        found = _REFUSED.search(line[:300].decode("utf-8", "replace"))
        if found is None:
            return
        node = bytes.fromhex(found[1])
        if node not in self._nodes:
            self.on_stranger(node)
            return
        times = self.turned_away[node] = self.turned_away.get(node, 0) + 1
        say = self._log.warning if times == 1 else self._log.debug
        say("lamppost with a wrong credential: give it the network again", lamppost=found[1])

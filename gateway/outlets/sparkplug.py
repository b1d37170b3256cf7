"""Sparkplug B: the gateway is an edge node, each lamppost a device.

Eclipse Sparkplug 3.0. Data is QoS 0 there by specification; with `primary_host` nothing is sent
while that application is away, and what was measured meanwhile follows as historical.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from gateway.documents import json_object
from gateway.outlets.dialect import Message, Override, Post
from gateway.outlets.readings import Reading
from gateway.outlets.sparkplug_payload import (
    BOOLEAN,
    DOUBLE,
    INT32,
    INT64,
    STRING,
    Metric,
    decode,
    encode,
)
from protocol import records

REBIRTH = "Node Control/Rebirth"
LEVEL = "lamp level"
_HISTORICAL_AFTER_S = 300
_LARGEST_STATE = 1024


class Sparkplug:
    """The dialect of the edge node `gateway` in `group`.

    primary_host: the id of the application that must be there, None for none; commands: whether it
    may set "lamp level"; `wall_time` gives Unix seconds.
    """

    def __init__(
        self,
        gateway: str,
        group: str,
        primary_host: str | None,
        commands: bool,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        self._base = f"spBv1.0/{group}"
        self._edge = gateway
        self._commands = commands
        self._now = wall_time
        self._host = None if primary_host is None else f"spBv1.0/STATE/{primary_host}"
        # It tells one connection's certificates from another's; a restart begins anywhere.
        self._birth_number = int(wall_time()) & 0xFF
        self._seq = 0
        self._posts: dict[bytes, Post] = {}
        self._born: set[bytes] = set()
        self.ready = primary_host is None

    @property
    def will(self) -> Message:
        """The edge node's death certificate."""
        payload = encode(self._ms(), [self._number()], None)
        return Message(self._topic("NDEATH"), payload)

    @property
    def subscriptions(self) -> Sequence[str]:
        """Commands to the edge node and its devices, and the primary host's state."""
        topics = [self._topic("NCMD")]
        if self._commands:
            topics.append(f"{self._topic('DCMD')}/+")
        if self._host is not None:
            topics.append(self._host)
        return topics

    def birth(self, posts: Sequence[Post]) -> list[Message]:
        """Birth certificates of the edge node and of the lampposts that answer."""
        self._seq = 0
        self._born = set()
        rebirth = Metric(REBIRTH, BOOLEAN, False, self._ms())
        messages = [self._message(self._topic("NBIRTH"), [self._number(), rebirth])]
        return messages + self.states(posts)

    def states(self, posts: Sequence[Post]) -> list[Message]:
        """Births and deaths of lampposts, and levels that have changed."""
        messages: list[Message] = []
        for post in posts:
            self._posts[post.node] = post
            born = post.node in self._born
            if post.up and not born:
                self._born.add(post.node)
                messages.append(self._message(self._device("DBIRTH", post), self._all(post)))
            elif born and not post.up:
                self._born.discard(post.node)
                messages.append(self._message(self._device("DDEATH", post), []))
            elif born:
                messages.append(self._message(self._device("DDATA", post), [self._level(post)]))
        return messages

    def readings(self, readings: Sequence[Reading]) -> list[Message]:
        """Data of the lampposts that have been born; the others' is in no one's list of metrics.

        What was measured before the lamppost knew the time is left out.
        """
        horizon = self._now() - _HISTORICAL_AFTER_S
        by_post: dict[bytes, list[Metric]] = {}
        for reading in readings:
            if reading.time is None or reading.node not in self._posts:
                continue
            metrics = by_post.setdefault(reading.node, [])
            historical = reading.time < horizon
            metrics += [
                Metric(f"{reading.kind}/{field}", DOUBLE, float(value), reading.time * 1000,
                       historical)
                for field, value in reading.values.items()
            ]  # fmt: skip
        messages: list[Message] = []
        for node, metrics in by_post.items():
            post = self._posts[node]
            if node not in self._born:
                # It has fallen silent since; what it measured before is still to be told.
                self._born.add(node)
                messages.append(self._message(self._device("DBIRTH", post), self._all(post)))
            messages.append(self._message(self._device("DDATA", post), metrics))
        return messages

    def received(self, topic: str, payload: bytes) -> Override | str | None:
        """The primary host's state, a wish to be born again, or a level."""
        if topic == self._host:
            self._host_said(payload)
            return "birth" if self.ready else None
        found = decode(payload)
        if topic == self._topic("NCMD"):
            return "birth" if found.get(REBIRTH) is True else None
        device = topic.removeprefix(f"{self._topic('DCMD')}/")
        post = next((post for post in self._posts.values() if post.id == device), None)
        if post is None or not self._commands:
            raise ValueError("a command for no lamppost of ours")
        level = found.get(LEVEL)
        if LEVEL not in found or not (level is None or (type(level) is int and 0 <= level <= 100)):
            raise ValueError(f'"{LEVEL}": expected an Int32 from 0 to 100, or null')
        return Override(post.node, level)

    def _host_said(self, payload: bytes) -> None:
        online = json_object(payload, _LARGEST_STATE).get("online")
        if not isinstance(online, bool):
            raise ValueError('expected {"online": true or false, "timestamp": Unix ms}')
        self.ready = online

    def _all(self, post: Post) -> list[Metric]:
        """Every metric the lamppost may ever have; those not known yet are null."""
        now = self._ms()
        about = [
            self._level(post),
            Metric("name", STRING, post.name, now),
            Metric("firmware", STRING, post.firmware, now),
            Metric("board", STRING, post.board, now),
        ]
        return about + [
            Metric(f"{kind}/{field}", DOUBLE, None, now)
            for kind, fields in records.KINDS.values()
            for field, _, _, _ in fields
        ]

    def _level(self, post: Post) -> Metric:
        return Metric(LEVEL, INT32, post.level, self._ms())

    def _number(self) -> Metric:
        return Metric("bdSeq", INT64, self._birth_number, self._ms())

    def _message(self, topic: str, metrics: list[Metric]) -> Message:
        payload = encode(self._ms(), metrics, self._seq)
        self._seq = (self._seq + 1) & 0xFF
        return Message(topic, payload, qos=0)

    def _topic(self, kind: str) -> str:
        return f"{self._base}/{kind}/{self._edge}"

    def _device(self, kind: str, post: Post) -> str:
        return f"{self._topic(kind)}/{post.id}"

    def _ms(self) -> int:
        return int(self._now() * 1000)

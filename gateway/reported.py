"""The reported state of each lamppost, retained at the broker: on change, coalesced."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from gateway.clock import StreetClock
from gateway.lampposts.lamppost import Lamppost
from gateway.uplink.link import Link
from gateway.uplink.topics import Topics
from gateway.waiting import go_on, happens_within

# So that "last heard" and "backlog" do not grow old where nothing else changes.
REFRESH_S = 60.0
# The city refuses documents with longer texts.
LONGEST_REASON = 300


class Reporter:
    """Publishes what there is to say about each lamppost, one document each.

    configuration(node) and update(node) give those parts of it. least_s: a lamppost that fades or
    uploads changes many times a second; it is reported at most this often (machine time, s).
    """

    def __init__(
        self,
        lampposts: Iterable[Lamppost],
        link: Link,
        topics: Topics,
        clock: StreetClock,
        configuration: Callable[[bytes], dict[str, Any]],
        update: Callable[[bytes], dict[str, Any]],
        least_s: float,
    ) -> None:
        self._lampposts = {lamppost.node: lamppost for lamppost in lampposts}
        self._link = link
        self._topics = topics
        self._clock = clock
        self._configuration = configuration
        self._update = update
        self._least = least_s
        self._due: dict[bytes, float] = {}
        self._sent: dict[bytes, float] = {}
        self._wake = asyncio.Event()

    def touch(self, node: bytes) -> None:
        """Something about `node` has changed."""
        if node in self._lampposts:
            now = time.monotonic()
            self._due.setdefault(node, max(now, self._sent.get(node, 0.0) + self._least))
            self._wake.set()

    async def run(self) -> None:
        """Publish over the present connection until it ends. Raises aiomqtt.MqttError then."""
        # The broker may be a new one: tell it everything.
        self._due = dict.fromkeys(self._lampposts, 0.0)
        while True:
            self._wake.clear()
            now = time.monotonic()
            for node, sent in self._sent.items():
                if now - sent > REFRESH_S:
                    self._due.setdefault(node, now)
            for node in [node for node, due in self._due.items() if due <= now]:
                await self._publish(node)
            if self._due:
                wait = max(0.01, min(self._due.values()) - time.monotonic())
            else:
                wait = REFRESH_S / 4
            await happens_within(self._wake, wait)

    async def _publish(self, node: bytes) -> None:
        # Taken off first: a change during the publish makes it due again.
        due = self._due.pop(node)
        self._sent[node] = time.monotonic()
        lamppost = self._lampposts[node]
        try:
            await self._link.publish(
                self._topics.reported(lamppost.id), json.dumps(self.document(lamppost)).encode()
            )
        except BaseException:
            self._due.setdefault(node, due)
            raise
        go_on()

    def document(self, lamppost: Lamppost) -> dict[str, Any]:
        """The reported state, as the contract with the city has it."""
        facts = lamppost.facts or {}
        return {
            "node": lamppost.id,
            "name": lamppost.name,
            "pole": lamppost.pole,
            "address": lamppost.address,
            "board": facts.get("board"),
            "time": self._clock.now(),
            "link": {
                "state": lamppost.link,
                "by": lamppost.reached_by,
                "last_heard": lamppost.last_heard,
                "backlog": lamppost.backlog,
                "rejected": lamppost.refused_replies,
            },
            "firmware": {
                "version": facts.get("version"),
                "slot": facts.get("slot"),
                "hash": facts.get("hash"),
                "confirmed": facts.get("confirmed"),
                "security_counter": facts.get("security_counter"),
            },
            "update": _clipped(self._update(lamppost.node)),
            "configuration": {
                "version": facts.get("configuration_version"),
                "digest": facts.get("configuration_digest"),
                **_clipped(self._configuration(lamppost.node)),
            },
            "lamp": {"level": lamppost.level, "reason": lamppost.reason_text()},
            "epoch": facts.get("epoch"),
            "uptime": facts.get("uptime"),
        }


def _clipped(part: dict[str, Any]) -> dict[str, Any]:
    reason = str(part["reason"])
    if len(reason) > LONGEST_REASON:
        reason = reason[: LONGEST_REASON - 3] + "..."
    return {**part, "reason": reason}

"""Desired configurations: checked, pushed sealed, and the outcome reported.

What the city wants is kept on disk and retained at the broker, so it survives both ends. What a
lamppost has is what it says in STATUS; the two are compared, never assumed equal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gateway.buffer.state import State, Wish
from gateway.documents import json_object
from gateway.errors import (
    BadReply,
    BufferUnavailable,
    LinkUnavailable,
    NodeRefused,
    NoReply,
    SealBroken,
)
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.logs import Logger
from gateway.waiting import happens_within
from protocol import configuration

LARGEST_DOCUMENT = 16_384
_RETRY_S = 2.0
# Accepted this often without taking effect: say so instead of wearing out its flash.
_MOST_WITHOUT_EFFECT = 3


def parse(payload: bytes) -> tuple[int, dict[str, Any]]:
    """(version, values) of a desired document {"version", "digest", "values"}.

    Raises ValueError with everything that is wrong with it.
    """
    fields = json_object(payload, LARGEST_DOCUMENT)
    version = fields.get("version")
    digest = fields.get("digest")
    values: Any = fields.get("values")
    if type(version) is not int or not 0 <= version <= 0xFFFFFFFF:
        raise ValueError(f"version: expected an integer 0 to 4294967295, got {version!r}")
    problems = configuration.validate(values)
    if problems:
        raise ValueError("; ".join(problems))
    size = len(configuration.document(version, values))
    if size > configuration.MAX_DOCUMENT:
        raise ValueError(f"takes {size} bytes, expected at most {configuration.MAX_DOCUMENT}")
    right = configuration.digest(values).hex()
    if digest != right:
        raise ValueError(f"digest: expected {right} for these values, got {digest!r}")
    return version, values


class Configurations:
    """Desired configurations. `changed(node)` is called when an outcome changes."""

    def __init__(self, state: State, changed: Callable[[bytes], None], log: Logger) -> None:
        self._state = state
        self._changed = changed
        self._log = log
        self._wishes: dict[bytes, Wish] = {}
        self._without_effect: dict[bytes, int] = {}
        self._not_before: dict[bytes, float] = {}
        self._wake = asyncio.Event()
        self._lampposts: dict[bytes, Lamppost] = {}

    async def load(self, lampposts: Iterable[Lamppost]) -> None:
        """Take up the wishes of before the restart."""
        self._lampposts = {lamppost.node: lamppost for lamppost in lampposts}
        self._wishes = await self._state.wishes("configuration")

    async def received(self, node: bytes, payload: bytes) -> None:
        """The city says what it wants of `node`; an empty payload withdraws it."""
        if not payload:
            self._wishes.pop(node, None)
            await self._state.drop_wish(node, "configuration")
            self._changed(node)
            return
        try:
            version, values = parse(payload)
        except ValueError as error:
            self._log.warning("desired configuration refused", node=node.hex(), why=str(error))
            wish = Wish({}, {"state": "refused", "reason": str(error)[:500]})
        else:
            document = {"version": version, "values": values}
            known = self._wishes.get(node)
            if known is not None and known.document == document:
                return  # retained, and sent again after each reconnect
            wish = Wish(document, {})
        self._wishes[node] = wish
        self._without_effect.pop(node, None)
        self._not_before.pop(node, None)
        await self._state.save_wish(node, "configuration", wish)
        self._changed(node)
        self._wake.set()

    def describe(self, node: bytes) -> dict[str, Any]:
        """{"state": applied, pending or refused, "reason"} for the reported document."""
        wish = self._wishes.get(node)
        if wish is None:
            return {"state": "applied", "reason": ""}
        if self._is_refused(node, wish):
            return {"state": "refused", "reason": wish.outcome.get("reason", "")}
        return {"state": "applied" if self._is_applied(node, wish) else "pending", "reason": ""}

    def value(self, node: bytes, field: str) -> Any:
        """What the city wants `field` to be at `node`; None where it wants nothing of it."""
        wish = self._wishes.get(node)
        return wish.document.get("values", {}).get(field) if wish is not None else None

    def wake(self) -> None:
        """A lamppost came up or gave new facts: look again."""
        self._wake.set()

    async def run(self, lampposts: Sequence[Lamppost]) -> None:
        """Push to the lampposts of one bus what they lack, until cancelled."""
        while True:
            self._wake.clear()
            for lamppost in lampposts:
                if self._lacks(lamppost):
                    await self._try(lamppost)
            await happens_within(self._wake, _RETRY_S)

    def _lacks(self, lamppost: Lamppost) -> bool:
        wish = self._wishes.get(lamppost.node)
        return (
            wish is not None
            and lamppost.link == "up"
            and lamppost.facts_at > 0
            and not self._is_refused(lamppost.node, wish)
            and not self._is_applied(lamppost.node, wish)
            and time.monotonic() >= self._not_before.get(lamppost.node, 0.0)
        )

    def _is_applied(self, node: bytes, wish: Wish) -> bool:
        facts = self._facts(node)
        return (
            facts.get("configuration_digest") == configuration.digest(wish.document["values"]).hex()
            and facts.get("configuration_version") == wish.document["version"]
        )

    def _is_refused(self, node: bytes, wish: Wish) -> bool:
        if not wish.document:
            return True
        if wish.outcome.get("state") != "refused":
            return False
        # Another release may take what this one would not.
        return wish.outcome.get("firmware") == self._facts(node).get("version")

    def _facts(self, node: bytes) -> dict[str, Any]:
        lamppost = self._lampposts.get(node)
        return (lamppost.facts if lamppost is not None else None) or {}

    async def _try(self, lamppost: Lamppost) -> None:
        self._not_before[lamppost.node] = time.monotonic() + _RETRY_S
        try:
            await self._push(lamppost)
        except (NoReply, LinkUnavailable, SealBroken, BadReply, BufferUnavailable) as error:
            lamppost.log.debug("configuration not delivered", why=str(error))

    async def _push(self, lamppost: Lamppost) -> None:
        node = lamppost.node
        wish = self._wishes[node]
        try:
            await management.configure(lamppost, wish.document["version"], wish.document["values"])
            status = await management.status(lamppost)
        except NodeRefused as refused:
            if refused.passing:
                return
            await self._refuse(lamppost, wish, refused.reason or str(refused))
            return
        lamppost.take_facts(status, time.monotonic())
        if self._is_applied(node, wish):
            self._without_effect.pop(node, None)
            lamppost.log.info("configuration applied", version=wish.document["version"])
            self._changed(node)
            return
        times = self._without_effect[node] = self._without_effect.get(node, 0) + 1
        if times >= _MOST_WITHOUT_EFFECT:
            await self._refuse(
                lamppost,
                wish,
                f"accepted {times} times, but the lamppost reports version "
                f"{status['configuration_version']}, digest "
                f"{status['configuration_digest'].hex()}",
            )

    async def _refuse(self, lamppost: Lamppost, wish: Wish, reason: str) -> None:
        if self._wishes.get(lamppost.node) is not wish:
            return  # replaced meanwhile
        lamppost.log.warning("configuration refused by the lamppost", reason=reason)
        firmware = self._facts(lamppost.node).get("version")
        wish.outcome = {"state": "refused", "reason": reason, "firmware": firmware}
        await self._state.save_wish(lamppost.node, "configuration", wish)
        self._changed(lamppost.node)

"""The key that a bus's lampposts share: who has it, and the counters used under it.

It is installed on each lamppost under the lamppost's own key, at first contact and again after each
of its restarts, since it may have come back without it, and since its counter then begins where the
old one may end. One that went away with the key leaves it worthless: the others get another, and
lose the old one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.buffer.groupkeys import GroupKey, GroupKeyStore
from gateway.errors import BadReply, BufferUnavailable, GatewayError, NodeRefused, SealBroken
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.management import FLASH_PATIENCE_S
from gateway.lampposts.turns import Traffic
from gateway.logs import Logger, Trouble
from protocol import envelope, keyring, messages, smp
from protocol.errors import ProtocolError

# Counters are set aside on disk this many at a time.
COUNTER_BLOCK = 1024
# A lamppost says, under its own seal, from which counter on it listens, and the key's counter
# follows. One that lies could use them all up for the others: half of them are kept from it.
_HIGHEST_FLOOR = envelope.MAX_COUNTER >> 1
_LOOK_S = 2.0
_RETRY_FIRST_S = 1.0
_RETRY_MOST_S = 60.0
# What refuses the key, an older release perhaps, is asked again after this, or when it restarts.
_REFUSED_S = 3600.0


class GroupKeys:
    """The shared key of the bus `bus`, for its `lampposts`."""

    def __init__(
        self, bus: str, lampposts: Sequence[Lamppost], store: GroupKeyStore, log: Logger
    ) -> None:
        self._bus = bus
        self._lampposts = lampposts
        self._store = store
        self._log = log
        self._no_key = Trouble(log, "no group key can be kept")
        self._key: GroupKey | None = None
        self._counter = 0
        self._reserved = 0
        # Epoch in which a lamppost was seen to have the key.
        self._has: dict[bytes, int] = {}
        self._not_before: dict[bytes, float] = {}
        self._failures: dict[bytes, int] = {}  # in a row

    async def load(self) -> None:
        """Find the key, or make one. Raises BufferUnavailable."""
        self._key, new = await self._store.current(
            self._bus, [lamppost.node for lamppost in self._lampposts]
        )
        if new:
            self._log.info("new group key", key_id=self._key.key_id)

    def has(self, lamppost: Lamppost) -> bool:
        """Whether `lamppost` has the key and listens to our counters, as far as can be known."""
        epoch = _epoch(lamppost)
        return epoch is not None and self._has.get(lamppost.node) == epoch

    async def run(self) -> None:
        """Give the key to whoever lacks it, until cancelled; `load` may have failed before."""
        while True:
            if self._key is None:
                await self._load_later()
            for lamppost in self._lampposts if self._key is not None else ():
                if self._lacks(lamppost):
                    await self._try(lamppost)
            await asyncio.sleep(_LOOK_S)

    async def _load_later(self) -> None:
        try:
            await self.load()
        except BufferUnavailable as error:
            # Nothing is said to all until there is room on the disk; readings go on.
            self._no_key.failed(why=str(error))
        else:
            self._no_key.over()

    async def seal(self, message: bytes) -> bytes:
        """`message`, an SMP message, as one for all: sealed under the key with a new counter.

        Raises BufferUnavailable when no counter could be set aside, SealBroken when there are no
        more.
        """
        if self._key is None:
            raise SealBroken(f"bus {self._bus} has no group key yet")
        while self._counter >= self._reserved:
            first, end = await self._store.reserve(self._bus, self._counter, COUNTER_BLOCK)
            # A lamppost may have told of a higher floor meanwhile.
            if first >= self._counter:
                self._counter, self._reserved = first, end
        counter = self._counter
        self._counter += 1
        try:
            data = envelope.seal(
                self._key.key,
                self._key.key_id,
                envelope.BROADCAST_ID,
                envelope.TO_NODE,
                counter,
                message,
            )
        except ProtocolError as error:
            raise SealBroken(f"cannot seal for all with counter {counter}: {error}") from error
        return smp.pack(
            smp.OP_WRITE, smp.GROUP_STREET, counter & 0xFF, messages.SEALED, messages.sealed(data)
        )

    def _lacks(self, lamppost: Lamppost) -> bool:
        return (
            lamppost.link == "up"
            and lamppost.facts_at > 0
            and not self.has(lamppost)
            and time.monotonic() >= self._not_before.get(lamppost.node, 0.0)
        )

    async def _try(self, lamppost: Lamppost) -> None:
        failures = self._failures.get(lamppost.node, 0)
        pause = min(_RETRY_MOST_S, _RETRY_FIRST_S * 2 ** min(failures, 10))
        self._failures[lamppost.node] = failures + 1
        try:
            await self.install(lamppost)
            self._failures.pop(lamppost.node, None)
            return
        except NodeRefused as refused:
            if not refused.passing:
                pause = _REFUSED_S
            lamppost.log.warning("group key refused by the lamppost", why=str(refused))
        except GatewayError as error:
            lamppost.log.debug("group key not delivered", why=str(error))
        self._not_before[lamppost.node] = time.monotonic() + pause

    async def install(self, lamppost: Lamppost) -> None:
        """Give `lamppost` the key and take older ones away.

        Raises as Session.ask, and BufferUnavailable.
        """
        key = self._key
        if key is None:
            raise SealBroken(f"bus {self._bus} has no group key yet")
        epoch = _epoch(lamppost)
        await self._store.given(self._bus, lamppost.node)
        # The same key again is no write to its flash.
        lowest = await _ask(lamppost, keyring.install_request(key.key_id, key.key))
        if key.key_id not in lowest:
            raise BadReply(f"took key {key.key_id}, but does not list it")
        for other in lowest:
            if envelope.is_group_key(other) and other != key.key_id:
                await _ask(lamppost, keyring.remove_request(other))
        floor = lowest[key.key_id]
        if floor > _HIGHEST_FLOOR:
            raise BadReply(f"listens to group counters from {floor} on, which cannot be")
        if floor > self._counter:
            self._log.debug("group counter moved on", used=self._counter, now=floor)
            self._counter = floor
        if epoch is not None:
            self._has[lamppost.node] = epoch


def _epoch(lamppost: Lamppost) -> int | None:
    facts = lamppost.facts
    return facts["epoch"] if facts is not None and lamppost.facts_at > 0 else None


async def _ask(lamppost: Lamppost, request: Mapping[str, Any]) -> dict[int, int]:
    message = smp.pack(smp.OP_WRITE, smp.GROUP_STREET, 0, messages.KEYS, dict(request))
    body = await lamppost.session.ask(message, Traffic.TRANSFER, patience_s=FLASH_PATIENCE_S)
    try:
        return keyring.parse_keys_reply(body)[1]
    except ProtocolError as error:
        raise BadReply(f"keys: {error}") from error

"""Lampposts as group commands see them: keys, groups, overrides, and what they miss."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from gateway.errors import NodeRefused, NoReply
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Traffic
from gateway.logs import get
from protocol import cbor, envelope, keyring, messages, smp

NOW = 1_800_000_000


class Post:
    """The far side of a lamppost's session; `groups` is its lamp/groups."""

    def __init__(self, address: int, groups: int = 0, bus: str | None = "north") -> None:
        self.node = bytes((1, 2, 3, 4, 5, address))
        self.groups = groups
        self.override: tuple[int, int] | None = None  # level, why
        self.commands: list[tuple[int | None, int, int]] = []  # level, seconds, why
        self.keys: dict[int, bytes] = {1: bytes(16)}
        self.lowest: dict[int, int] = {}
        self.refuses_keys = False
        self.away = False
        self.lose_answer = False
        self.asked: list[tuple[int, int]] = []
        self.channel: Any = SimpleNamespace(kind="bus" if bus else "lan")
        self.route: Any = SimpleNamespace(best=self.channel, answered_by=None)
        self.lamppost = Lamppost(
            self.node, f"post {address}", cast("Any", self), get(), bus, address if bus else None
        )
        self.lamppost.link = "up"
        self.restart()

    def restart(self) -> None:
        facts = self.lamppost.facts or {"epoch": 0}
        self.lamppost.facts = {"epoch": facts["epoch"] + 1, "configuration_digest": "00"}
        self.lamppost.facts_at = 1.0

    async def ask(
        self,
        message: bytes,
        traffic: Traffic,
        *,
        just_before: Callable[[], None] | None = None,
        **options: object,
    ) -> dict[str, Any]:
        if just_before is not None:
            just_before()
        if self.away:
            raise NoReply("no reply in time")
        op, group, _, command, body = smp.unpack(message)
        self.asked.append((group, command))
        reply = self._do(op, group, command, body)
        if self.lose_answer:
            self.lose_answer = False
            raise NoReply("no reply in time")
        return reply

    def _do(self, op: int, group: int, command: int, body: dict[str, Any]) -> dict[str, Any]:
        if group == smp.GROUP_SETTINGS:
            assert (op, body["name"]) == (smp.OP_READ, "lamp/groups")
            return {"val": cbor.dumps(self.groups)}
        if command == messages.KEYS:
            return self._take_key(body)
        assert command == messages.LAMP
        if op == smp.OP_READ:
            level, why = self.override or (50, 0)
            left = 60 if self.override else 0
            return messages.lamp_reply(level, 4, level, why, left)
        self.hear(body)
        return {"l": 50}

    def hear(self, body: dict[str, Any]) -> None:
        """A LAMP write, sealed for it alone or for all."""
        level, seconds = messages.parse_lamp_request(body)
        why, groups = messages.parse_lamp_options(body)
        if messages.in_groups(self.groups, groups):
            self.commands.append((level, seconds, why))
            self.override = None if level is None else (level, why)

    def _take_key(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.refuses_keys:
            raise NodeRefused(smp.GROUP_STREET, 1, "8 keys are here, at most as many fit")
        key_id, key = keyring.parse_request(body)
        if key is None:
            self.keys.pop(key_id, None)
        else:
            self.keys[key_id] = key
        return keyring.keys_reply(0, [(at, self.lowest.get(at, 0)) for at in sorted(self.keys)])

    def opens(self, message: bytes) -> bool:
        """Whether it takes a message sealed for all, whose counter is used up by that."""
        data = messages.parse_sealed(smp.unpack(message)[4])
        try:
            inner, key_id, counter = envelope.open_sealed(
                self.keys, envelope.BROADCAST_ID, envelope.TO_NODE, data
            )
        except messages.ProtocolError:
            return False
        if counter < self.lowest.get(key_id, 0):
            return False
        self.lowest[key_id] = counter + 1
        body = smp.unpack(inner)[4]
        self.hear(body)
        return True

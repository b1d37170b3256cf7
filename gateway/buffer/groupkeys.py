"""The keys that lampposts share, and their counters: durable before they are used."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field

from gateway.buffer.schema import Database
from gateway.buffer.writer import Writer
from protocol.envelope import FIRST_GROUP_KEY, LAST_GROUP_KEY
from protocol.keyring import KEY_SIZE

# As for a lamppost's own counters (gateway.buffer.state): what an older copy of the database does
# not know to be used is left behind.
_SKIP_BELOW = 1 << 20


@dataclass(frozen=True)
class GroupKey:
    """One key of a bus: its id (200..207) and its 16 bytes, which are never shown."""

    key_id: int
    key: bytes = field(repr=False)


class GroupKeyStore:
    """Group keys by bus. Every write is committed when it returns; all raise BufferUnavailable."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._begun: set[str] = set()

    async def current(self, bus: str, nodes: Collection[bytes]) -> tuple[GroupKey, bool]:
        """The key of `bus`, whose lampposts are `nodes`, and whether it is a new one.

        It is made anew when somebody has been given the old one who is no longer on the bus: what
        was taken away with a lamppost opens nothing afterwards.
        """
        on_the_bus = frozenset(nodes)

        def look(db: Database) -> tuple[GroupKey, bool]:
            row = db.execute("SELECT key_id, key FROM group_key WHERE bus = ?", [bus]).fetchone()
            given = db.execute("SELECT node FROM group_member WHERE bus = ?", [bus]).fetchall()
            if row is not None and all(member[0] in on_the_bus for member in given):
                return GroupKey(row[0], row[1]), False
            ids = LAST_GROUP_KEY - FIRST_GROUP_KEY + 1
            # At random at first: lampposts may hold a key of a database that is gone.
            step = secrets.randbelow(ids) if row is None else row[0] - FIRST_GROUP_KEY + 1
            new = GroupKey(FIRST_GROUP_KEY + step % ids, secrets.token_bytes(KEY_SIZE))
            db.execute("DELETE FROM group_member WHERE bus = ?", [bus])
            db.table("group_key").insert(
                {"bus": bus, "key_id": new.key_id, "key": new.key, "reserved": 0},
                pk="bus",
                replace=True,
            )
            self._begun.discard(bus)
            return new, True

        return await self._writer.submit(look)

    async def given(self, bus: str, node: bytes) -> None:
        """Note that `node` is about to be given the key of `bus`."""
        await self._writer.submit(
            lambda db: (
                db.execute(
                    "INSERT OR IGNORE INTO group_member (bus, node) VALUES (?, ?)", [bus, node]
                ).rowcount
            )
        )

    async def reserve(self, bus: str, at_least: int, block: int) -> tuple[int, int]:
        """Take `block` counters of the key of `bus`, none below `at_least`: (first, end)."""

        def reserve(db: Database) -> tuple[int, int]:
            row = db.execute("SELECT reserved FROM group_key WHERE bus = ?", [bus]).fetchone()
            skip = 0 if bus in self._begun else secrets.randbelow(_SKIP_BELOW)
            first = max(at_least, row[0] + skip)
            db.execute("UPDATE group_key SET reserved = ? WHERE bus = ?", [first + block, bus])
            self._begun.add(bus)
            return first, first + block

        return await self._writer.submit(reserve)

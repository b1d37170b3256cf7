"""What the gateway must remember of its work, beside the records: counters, wishes, updates."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from gateway.buffer.database import Database
from gateway.buffer.writer import Writer

Kind = Literal["configuration", "release"]


@dataclass
class Transfer:
    """One update of one lamppost, as far as it got.

    step: a name of `gateway.updates.steps.Step`; transitions: steps taken so far; resets: resets
    asked for so far; hash and image are hexadecimal: MCUboot's hash, and SHA-256 of the file.
    """

    node: bytes
    rollout: str
    version: str
    hash: str
    image: str
    size: int
    step: str
    transitions: int = 0
    resets: int = 0
    reason: str = ""


@dataclass
class Wish:
    """A desired document of a lamppost and its outcome, both JSON objects."""

    document: dict[str, Any]
    outcome: dict[str, Any]


class State:
    """Durable state, by lamppost. Every write is committed when it returns."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def reserve_counters(self, node: bytes, at_least: int, block: int) -> tuple[int, int]:
        """Take `block` sealing counters, none below `at_least`; gives (first, end) of them."""

        def reserve(db: Database) -> tuple[int, int]:
            row = db.execute("SELECT reserved FROM seal WHERE node = ?", [node]).fetchone()
            first = max(at_least, row[0] if row else 0)
            db.table("seal").insert(
                {"node": node, "reserved": first + block}, pk="node", replace=True
            )
            return first, first + block

        return await self._writer.submit(reserve)

    async def wishes(self, kind: Kind) -> dict[bytes, Wish]:
        """All desired documents of `kind`."""
        rows = await self._writer.submit(
            lambda db: db.execute(
                "SELECT node, document, outcome FROM desired WHERE kind = ?", [kind]
            ).fetchall()
        )
        return {node: Wish(json.loads(doc), json.loads(outcome)) for node, doc, outcome in rows}

    async def save_wish(self, node: bytes, kind: Kind, wish: Wish) -> None:
        """Remember a desired document and its outcome."""
        row = {
            "node": node,
            "kind": kind,
            "document": json.dumps(wish.document),
            "outcome": json.dumps(wish.outcome),
        }
        await self._writer.submit(
            lambda db: db.table("desired").insert(row, pk=("node", "kind"), replace=True)
        )

    async def drop_wish(self, node: bytes, kind: Kind) -> None:
        """The city withdrew a desired document."""
        await self._writer.submit(
            lambda db: (
                db.execute("DELETE FROM desired WHERE node = ? AND kind = ?", [node, kind]).rowcount
            )
        )

    async def facts(self) -> dict[bytes, dict[str, Any]]:
        """The last facts of each lamppost."""
        rows = await self._writer.submit(
            lambda db: db.execute("SELECT node, document FROM reported").fetchall()
        )
        return {node: json.loads(document) for node, document in rows}

    async def save_facts(self, node: bytes, facts: dict[str, Any]) -> None:
        """Remember the facts of a lamppost."""
        row = {"node": node, "document": json.dumps(facts)}
        await self._writer.submit(
            lambda db: db.table("reported").insert(row, pk="node", replace=True)
        )

    async def transfers(self) -> dict[bytes, Transfer]:
        """The current or last update of each lamppost."""
        rows = await self._writer.submit(lambda db: list(db.table("transfer").rows))
        return {row["node"]: Transfer(**row) for row in rows}

    async def save_transfer(self, transfer: Transfer) -> None:
        """Remember how far an update got."""
        row = asdict(transfer)
        await self._writer.submit(
            lambda db: db.table("transfer").insert(row, pk="node", replace=True)
        )

    async def first_time(self, digest: bytes, expires: int, now: int) -> bool:
        """Note the command `digest`; False when it was noted before. Forgets expired ones."""

        def note(db: Database) -> bool:
            db.execute("DELETE FROM command WHERE expires < ?", [now - 3600])
            known = db.execute("SELECT 1 FROM command WHERE digest = ?", [digest]).fetchone()
            if known:
                return False
            db.table("command").insert({"digest": digest, "expires": expires})
            return True

        return await self._writer.submit(note)

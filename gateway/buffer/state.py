"""What the gateway must remember of its work, beside the records: counters, wishes, updates."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar, cast

from gateway import logs
from gateway.buffer.schema import Database
from gateway.buffer.writer import Writer
from gateway.errors import GatewayError
from gateway.logs import Logger

Kind = Literal["configuration", "release"]
T = TypeVar("T")
# Sealing counters have 40 bits (protocol.envelope). See `State.reserve_counters` for these.
START_BELOW = 1 << 38
_SKIP_BELOW = 1 << 20
# Commands noted until they expire: a bound on what whoever may command can put on the disk.
MOST_COMMANDS = 10_000


class TooManyCommands(GatewayError):
    """As many commands are remembered as may be: none is taken until some have expired."""


@dataclass
class Transfer:
    """One update of one lamppost, as far as it got.

    step: a name of `gateway.updates.steps.Step`; transitions: steps taken so far; resets: resets
    asked for so far; hash and image are hexadecimal: MCUboot's hash, and SHA-256 of the image file.
    file and file_size: the file that is sent, a delta or the image itself, "" until it is chosen;
    whole: the lamppost has refused a delta; multicast: it comes, or came, by multicast.
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
    file: str = ""
    file_size: int = 0
    whole: bool = False
    multicast: bool = False

    @property
    def is_delta(self) -> bool:
        """Whether the file that is sent is a delta."""
        return self.file not in ("", self.image)


@dataclass
class Wish:
    """A desired document of a lamppost and its outcome, both JSON objects."""

    document: dict[str, Any]
    outcome: dict[str, Any]


class State:
    """Durable state, by lamppost. Every write is committed when it returns."""

    def __init__(self, writer: Writer, log: Logger | None = None) -> None:
        self._writer = writer
        self._log = log or logs.get()
        self._begun: set[bytes] = set()

    async def reserve_counters(self, node: bytes, at_least: int, block: int) -> tuple[int, int]:
        """Take `block` sealing counters, none below `at_least`; gives (first, end) of them.

        No counter may ever seal two texts (RFC 9053, section 4.2), and what is on disk here may be
        an older copy of what was, or gone. So:

        - A lamppost without a reservation starts at a random counter below 2**38. Above the
          lamppost's floor it is accepted at once; below, the lamppost answers with its floor, and
          the session asks for counters from there.
        - Each process skips up to 2**20 counters at random before its first block, and so leaves
          behind those a newer copy had given out.
        """

        def reserve(db: Database) -> tuple[int, int]:
            row = db.execute("SELECT reserved FROM seal WHERE node = ?", [node]).fetchone()
            if row is None:
                first = max(at_least, secrets.randbelow(START_BELOW))
            elif node not in self._begun:
                first = max(at_least, row[0] + secrets.randbelow(_SKIP_BELOW))
            else:
                first = max(at_least, row[0])
            self._begun.add(node)
            db.table("seal").insert(
                {"node": node, "reserved": first + block}, pk="node", replace=True
            )
            return first, first + block

        return await self._writer.submit(reserve)

    async def wishes(
        self, kind: Kind, check: Callable[[dict[str, Any]], object] | None = None
    ) -> dict[bytes, Wish]:
        """All desired documents of `kind`.

        check: called with each document; one for which it raises ValueError or KeyError, or that is
        no JSON object, is logged and forgotten: the city's retained message brings it again.
        """

        def parse(row: dict[str, Any]) -> Wish:
            wish = Wish(_object(row["document"]), _object(row["outcome"]))
            if check is not None:
                check(wish.document)
            return wish

        def rows(db: Database) -> list[dict[str, Any]]:
            return [row for row in db.table("desired").rows if row["kind"] == kind]

        return await self._load("desired", rows, parse, kind)

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

    async def facts(
        self, check: Callable[[dict[str, Any]], object] | None = None
    ) -> dict[bytes, dict[str, Any]]:
        """The last facts of each lamppost; `check` as for `wishes`."""

        def parse(row: dict[str, Any]) -> dict[str, Any]:
            facts = _object(row["document"])
            if check is not None:
                check(facts)
            return facts

        return await self._load("reported", lambda db: list(db.table("reported").rows), parse)

    async def save_facts(self, node: bytes, facts: dict[str, Any]) -> None:
        """Remember the facts of a lamppost."""
        row = {"node": node, "document": json.dumps(facts)}
        await self._writer.submit(
            lambda db: db.table("reported").insert(row, pk="node", replace=True)
        )

    async def transfers(
        self, check: Callable[[Transfer], object] | None = None
    ) -> dict[bytes, Transfer]:
        """The current or last update of each lamppost; `check` as for `wishes`."""

        def parse(row: dict[str, Any]) -> Transfer:
            transfer = Transfer(**row)
            transfer.whole, transfer.multicast = bool(row["whole"]), bool(row["multicast"])
            if check is not None:
                check(transfer)
            return transfer

        return await self._load("transfer", lambda db: list(db.table("transfer").rows), parse)

    async def save_transfer(self, transfer: Transfer) -> None:
        """Remember how far an update got."""
        row = asdict(transfer)
        await self._writer.submit(
            lambda db: db.table("transfer").insert(row, pk="node", replace=True)
        )

    async def first_time(self, digest: bytes, expires: int, now: int) -> bool:
        """Note the command `digest`; False when it was noted before. Forgets expired ones.

        Raises TooManyCommands when MOST_COMMANDS have not expired yet.
        """

        def note(db: Database) -> bool:
            db.execute("DELETE FROM command WHERE expires < ?", [now - 3600])
            known = db.execute("SELECT 1 FROM command WHERE digest = ?", [digest]).fetchone()
            if known:
                return False
            if db.execute("SELECT count(*) FROM command").fetchone()[0] >= MOST_COMMANDS:
                raise TooManyCommands(
                    f"{MOST_COMMANDS} commands have not expired yet; give them less time"
                )
            db.table("command").insert({"digest": digest, "expires": expires})
            return True

        return await self._writer.submit(note)

    async def _load(
        self,
        table: str,
        rows: Callable[[Database], Iterable[dict[str, Any]]],
        parse: Callable[[dict[str, Any]], T],
        kind: str | None = None,
    ) -> dict[bytes, T]:
        """The rows of `table`, one by one; one that cannot be used is logged and deleted."""
        loaded: dict[bytes, T] = {}
        for row in await self._writer.submit(rows):
            node: bytes = row["node"]
            try:
                loaded[node] = parse(row)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                self._log.error(
                    "a saved row cannot be used: dropped",
                    table=table,
                    lamppost=node.hex(),
                    why=str(error)[:300],
                )
                await self._drop(table, node, kind)
        return loaded

    async def _drop(self, table: str, node: bytes, kind: str | None) -> None:
        delete = f"DELETE FROM {table} WHERE node = ?"  # noqa: S608 - names of our own
        keys: list[bytes | str] = [node]
        if kind is not None:
            delete, keys = f"{delete} AND kind = ?", [node, kind]
        await self._writer.submit(lambda db: db.execute(delete, keys).rowcount)


def _object(document: str) -> dict[str, Any]:
    value: Any = json.loads(document)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object expected, got {document[:40]!r}")
    return cast(dict[str, Any], value)

"""What is in the buffer, looked at from another process while the gateway goes on writing."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gateway.buffer import tallies
from gateway.buffer.database import set_aside
from gateway.buffer.rows import ROW_OVERHEAD
from gateway.buffer.schema import Database, is_damage, newest, text, version
from gateway.errors import GatewayError
from protocol.records import KINDS

_MOST_REASONS = 50


@dataclass
class Share:
    """A part of what is on its way. oldest_s: running time since its first row was read, s."""

    name: str
    rows: int = 0
    bytes: int = 0
    oldest_s: int = 0


@dataclass
class OutletLag:
    """An outlet: rows it has still to pass and their age, rows passed and missed in all."""

    name: str
    rows: int
    oldest_s: int
    passed: int
    missed: int


@dataclass
class Rejected:
    """Records set aside for one reason. refused: sound, but the broker would not take them."""

    reason: str
    refused: bool
    rows: int


@dataclass
class Survey:
    """What is in the buffer.

    bytes: what counts within `max_bytes`, that is the rows and the `refused_bytes` of what a broker
    refused. kept_bytes: what waits for outlets only. file_bytes: the files on the disk.
    written_bytes: written to the disk so far; written_per_record: the same for each record added,
    None before there is one. aside: damaged databases that were replaced.
    """

    path: str
    rows: int
    bytes: int
    refused_bytes: int
    kept_bytes: int
    file_bytes: int
    oldest_s: int
    kinds: list[Share]
    lampposts: list[Share]
    outlets: list[OutletLag]
    counters: dict[str, int]
    rejected: list[Rejected]
    written_bytes: int
    written_per_record: int | None
    aside: list[str] = field(default_factory=list[str])

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@contextmanager
def read_only(path: Path) -> Generator[Database]:
    """A connection that cannot write, to a database that another process may be writing.

    Raises GatewayError where there is none, or one of another schema version than this program's.
    """
    if not path.is_file():
        raise GatewayError(f"{path}: there is no database yet; the gateway makes it when it runs")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
    except sqlite3.Error as error:
        raise GatewayError(f"{path}: {error}; look as the user the gateway runs as") from error
    connection.text_factory = text
    try:
        database = Database(connection)
        at = version(database)
        if at != newest():
            raise GatewayError(
                f"{path}: has schema version {at}, this program knows {newest()}; "
                "use the program of the gateway that made it, or start the gateway once"
            )
        yield database
    except sqlite3.Error as error:
        remedy = "; restart the gateway, which sets it aside" if is_damage(error) else ""
        raise GatewayError(f"{path}: cannot be read: {error}{remedy}") from error
    finally:
        connection.close()


def survey(path: Path) -> Survey:
    """Look through the whole buffer. Raises GatewayError."""
    with read_only(path) as database:
        # One snapshot for all of it.
        database.conn.execute("BEGIN")
        counters = tallies.read(database)
        now = counters["running_s"]
        kinds: dict[str, Share] = {}
        lampposts: dict[str, Share] = {}
        for node, kind, rows, size, received in database.execute(
            "SELECT node, substr(body, 2, 1), count(*), sum(length(body)), min(received)"
            " FROM record GROUP BY 1, 2"
        ):
            for name, shares in ((_kind_name(kind), kinds), (node.hex(), lampposts)):
                share = shares.setdefault(name, Share(name))
                share.rows += rows
                share.bytes += size + rows * ROW_OVERHEAD
                share.oldest_s = max(share.oldest_s, now - received)
        refused_bytes = tallies.count(database, "rejected", "refused = 1")[1]
        rejected = database.execute(
            "SELECT reason, refused, count(*) FROM rejected GROUP BY reason, refused"
            " ORDER BY count(*) DESC LIMIT ?",
            [_MOST_REASONS],
        )
        recorded = counters["added"] - counters["written_from"]
        return Survey(
            path=str(path),
            rows=sum(share.rows for share in kinds.values()),
            bytes=sum(share.bytes for share in kinds.values()) + refused_bytes,
            refused_bytes=refused_bytes,
            kept_bytes=tallies.count(database, "kept", "1")[1],
            file_bytes=_file_bytes(path),
            oldest_s=max((share.oldest_s for share in kinds.values()), default=0),
            kinds=_largest_first(kinds),
            lampposts=_largest_first(lampposts),
            outlets=_outlets(database, now),
            counters=counters,
            rejected=[Rejected(why, bool(refused), rows) for why, refused, rows in rejected],
            written_bytes=counters["written_bytes"],
            written_per_record=counters["written_bytes"] // recorded if recorded > 0 else None,
            aside=[str(file) for file in set_aside(path)],
        )


def _outlets(database: Database, now: int) -> list[OutletLag]:
    lags: list[OutletLag] = []
    outlets = database.execute("SELECT name, last, passed, missed FROM outlet ORDER BY name")
    for name, last, passed, missed in outlets.fetchall():
        waiting: defaultdict[str, int] = defaultdict(int)
        for table in ("record", "kept"):
            rows, received = database.execute(
                f"SELECT count(*), min(received) FROM {table} WHERE id > ?",  # noqa: S608 - our names
                [last],
            ).fetchone()
            if rows:
                waiting["rows"] += rows
                waiting["oldest_s"] = max(waiting["oldest_s"], now - received)
        lags.append(OutletLag(name, waiting["rows"], waiting["oldest_s"], passed, missed))
    return lags


def _largest_first(shares: dict[str, Share]) -> list[Share]:
    return sorted(shares.values(), key=lambda share: (-share.rows, share.name))


def _kind_name(second_byte: bytes) -> str:
    # A record is a CBOR array whose first item, the kind, is below 24: one byte.
    kind = second_byte[0] if second_byte else -1
    return KINDS[kind][0] if kind in KINDS else "unknown"


def _file_bytes(path: Path) -> int:
    files = (path.with_name(path.name + part) for part in ("", "-wal", "-shm"))
    return sum(file.stat().st_size for file in files if file.exists())

"""Copies of the database: taken while the gateway runs, and brought back so that nothing is lost.

What is brought back is older than what the lampposts and the city have seen, so:

- Sealing counters must never be used twice, and the copy does not know which have been used since.
  They go on far beyond: `STEP` above the highest known. Keys of groups are forgotten: they are made
  anew, and given to the lampposts again.
- Positions may lie before what lampposts still have: these answer with their oldest record, and
  nothing is skipped. What was sent since the copy was taken is sent again, with the same keys, by
  which the city's store knows it.
- A database that is in the place already gives what it has to the new one: its records that have
  not gone up, and its positions and counters where they are further on. If it is the very database
  that the copy was taken of, gone on since, its records alone are the truth: what only the copy
  has, has gone up meanwhile. Else the records of both are kept.
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gateway.buffer import outlets, tallies
from gateway.buffer.database import connect, migrate
from gateway.buffer.schema import Database, newest, version
from gateway.buffer.survey import read_only
from gateway.errors import GatewayError

# More than any lamppost is sent in the life of a gateway (100 a second for more than a year); of
# the 40 bits of a counter there is room for about 190 such steps.
STEP = 1 << 32
_LINEAGES = 1_000_000_000


@dataclass(frozen=True)
class State:
    """How far a database is: `rows` on their way, `running_s` the gateway ran, which `lineage`."""

    rows: int
    running_s: int
    lineage: int

    def document(self) -> dict[str, int]:
        """For a manifest."""
        return {"rows": self.rows, "running_s": self.running_s, "lineage": self.lineage}


def take(path: Path, into: Path) -> State:
    """Copy the database at `path`, which may be in use, to the new file `into`, and check the copy.

    Raises GatewayError, and OSError where `into` cannot be written.
    """
    with read_only(path) as live, closing(sqlite3.connect(into)) as copy:
        try:
            live.conn.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE").fetchall()
            verdict = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            raise OSError(f"{into}: the database could not be copied: {error}") from error
        if verdict != "ok":
            raise GatewayError(
                f"{path}: the copy is damaged ({verdict}), so the database is; "
                "restart the gateway, which sets it aside"
            )
    return state(into)


def state(path: Path) -> State:
    """How far the database at `path` is. Raises GatewayError."""
    with read_only(path) as database:
        rows = database.execute("SELECT count(*) FROM record").fetchone()[0]
        return State(rows, tallies.get(database, "running_s"), tallies.get(database, "lineage"))


def check(path: Path) -> None:
    """Raises GatewayError when the file is no sound database that this program can use."""
    try:
        with closing(sqlite3.connect(path)) as copy:
            verdict = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
            at = copy.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise GatewayError(f"the database in it is damaged: {error}") from error
    if verdict != "ok":
        raise GatewayError(f"the database in it is damaged: {verdict}")
    if not 0 < at <= newest():
        raise GatewayError(
            f"the database in it has schema version {at}, this program knows {newest()}; "
            "install the newer gateway first"
        )


def prepare(copy: Path, there: Path | None) -> int:
    """Make the copy fit to go on with; gives the records taken over from `there`.

    there: a sound database that `copy` is about to replace, None when there is none. Afterwards
    `copy` is one file, closed. Raises GatewayError, sqlite3.Error and OSError.
    """
    database = connect(copy)
    try:
        migrate(database)
        taken = 0
        if there is not None:
            database.execute("ATTACH ? AS there", [str(there.absolute())])
            if database.execute("PRAGMA there.user_version").fetchone()[0] != version(database):
                raise GatewayError(
                    f"{there}: is of another version of this program; start the gateway once, "
                    "or move it away"
                )
        with database.atomic():
            if there is not None:
                taken = _take_over(database)
            database.execute("UPDATE seal SET reserved = reserved + ?", [STEP])
            database.execute("DELETE FROM group_key")
            database.execute("DELETE FROM group_member")
            tallies.put(database, "lineage", secrets.randbelow(_LINEAGES))
        if there is not None:
            database.execute("DETACH there")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        database.conn.close()
    return taken


def _take_over(db: Database) -> int:
    taken = _take_all(db) if _further_on(db) else _take_what_is_missing(db)
    db.execute(
        "INSERT INTO main.cursor (node, epoch, seq, added, repeated, missed)"
        " SELECT node, epoch, seq, added, repeated, missed FROM there.cursor WHERE true"
        " ON CONFLICT (node) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq,"
        " added = excluded.added, repeated = excluded.repeated, missed = excluded.missed"
        " WHERE (excluded.epoch, excluded.seq) > (epoch, seq)"
    )
    db.execute(
        "INSERT INTO main.seal (node, reserved) SELECT node, reserved FROM there.seal WHERE true"
        " ON CONFLICT (node) DO UPDATE SET reserved = max(reserved, excluded.reserved)"
    )
    return taken


def _further_on(db: Database) -> bool:
    """Whether `there` is the database that the copy was taken of, and has gone on since."""
    same = (
        "SELECT m.value, t.value FROM main.tally m JOIN there.tally t USING (name) WHERE name = ?"
    )
    mine, its = db.execute(same, ["lineage"]).fetchone()
    ran, its_ran = db.execute(same, ["running_s"]).fetchone()
    if mine != its or its_ran < ran:
        return False
    behind = (
        "SELECT 1 FROM main.cursor m LEFT JOIN there.cursor t USING (node)"
        " WHERE t.node IS NULL OR (t.epoch, t.seq) < (m.epoch, m.seq)"
    )
    return db.execute(behind).fetchone() is None


def _take_all(db: Database) -> int:
    """All of the records, the outlets and the counts: what is not there any more has gone up."""
    rows = 0
    for table in ("record", "rejected", "kept", "outlet"):
        names = db.execute("SELECT name FROM pragma_table_info(?)", [table]).fetchall()
        columns = ", ".join(name for (name,) in names)
        db.execute(f"DELETE FROM main.{table}")  # noqa: S608 - our own names
        copied = db.execute(
            f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM there.{table}"  # noqa: S608
        ).rowcount
        rows = copied if table == "record" else rows
    db.execute(
        "INSERT INTO main.tally SELECT name, value FROM there.tally WHERE true"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )
    return rows


def _take_what_is_missing(db: Database) -> int:
    """What has not gone up from `there`, beside what the copy has."""
    columns = "node, epoch, seq, body"
    taken = db.execute(
        f"INSERT INTO main.record (id, {columns}, received)"  # noqa: S608 - our own names
        f" SELECT ? + row_number() OVER (ORDER BY id), {columns}, ? FROM there.record AS t"
        " WHERE (t.node, t.epoch, t.seq) NOT IN (SELECT node, epoch, seq FROM main.record)",
        [_highest_id(db), tallies.get(db, "running_s")],
    ).rowcount
    db.execute(
        "INSERT INTO main.rejected (node, epoch, seq, body, reason, refused)"
        " SELECT node, epoch, seq, body, reason, refused FROM there.rejected AS t"
        " WHERE refused = 1 AND (t.node, t.epoch, t.seq) NOT IN"
        " (SELECT node, epoch, seq FROM main.rejected)"
    )
    return taken


def _highest_id(db: Database) -> int:
    names = [name for (name,) in db.execute("SELECT name FROM main.outlet").fetchall()]
    return max(outlets.register(db, names), tallies.get(db, "last_id"))

"""Writing to and reading from the city store.

A batch is one transaction: when `write` returns, everything in it is on disk, and only then may the
broker be told so.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, select
from sqlalchemy.exc import SQLAlchemyError

from fleet_cli.store import schema
from fleet_cli.store.engine import INSERTS, open_engine, unreachable
from fleet_cli.store.rows import Counts, LamppostRow, RecordRow, RejectedRow

REJECTED_LIMIT: Final = 10_000
"""Rejected payloads kept; the oldest go first."""

CONFLICT_LIMIT: Final = 100_000
"""Conflicting records kept; the oldest go first."""

_FETCH_ROWS: Final = 1000

Key = tuple[str, int, int]


class Store:
    """The city store at one URL; not for two threads at once, but for any number of processes."""

    def __init__(
        self,
        url: str,
        *,
        create: bool = False,
        rejected_limit: int = REJECTED_LIMIT,
        conflict_limit: int = CONFLICT_LIMIT,
    ) -> None:
        """Open it; see `open_engine` for `url`, `create` and what is raised."""
        self._url = url
        self._engine = open_engine(url, create=create)
        self._insert = INSERTS[self._engine.dialect.name]
        self._limits = ((schema.rejected, rejected_limit), (schema.conflict, conflict_limit))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def write(
        self,
        records: Sequence[RecordRow],
        rejected: Sequence[RejectedRow] = (),
        lampposts: Sequence[LamppostRow] = (),
    ) -> Counts:
        """Write a batch as one transaction; returns what became of its rows.

        Raises:
            Unreachable: nothing of the batch was written; it may be written again.
        """
        try:
            with self._engine.begin() as connection:
                counts = self._write_records(connection, records)
                if rejected:
                    connection.execute(
                        schema.rejected.insert(), [row._asdict() for row in rejected]
                    )
                self._write_lampposts(connection, lampposts)
                if rejected or counts.conflicts:
                    self._trim(connection)
        except SQLAlchemyError as error:
            raise unreachable(self._url, error) from error
        counts.rejected = len(rejected)
        counts.lampposts = len(lampposts)
        counts.commits = 1
        return counts

    def _write_records(self, connection: Connection, records: Sequence[RecordRow]) -> Counts:
        counts = Counts(records=len(records))
        if not records:
            return counts
        firsts: dict[Key, RecordRow] = {}
        others: list[RecordRow] = []
        for row in records:
            if row[:3] in firsts:
                others.append(row)
            else:
                firsts[row[:3]] = row
        table = schema.record
        inserted = connection.execute(
            self._insert(table)
            .on_conflict_do_nothing()
            .returning(table.c.node, table.c.epoch, table.c.seq),
            [row._asdict() for row in firsts.values()],
        )
        new: set[Key] = {(row.node, row.epoch, row.seq) for row in inserted}
        counts.stored = len(new)
        others += [row for key, row in firsts.items() if key not in new]
        bodies = self._bodies(connection, {row[:3] for row in others})
        conflicts = [row for row in others if bodies.get(row[:3]) != row.body]
        counts.conflicts = len(conflicts)
        counts.repeats = len(others) - len(conflicts)
        if conflicts:
            connection.execute(
                self._insert(schema.conflict).on_conflict_do_nothing(),
                [
                    {
                        key: value
                        for key, value in row._asdict().items()
                        if key not in ("kind", "time")
                    }
                    for row in conflicts
                ],
            )
        return counts

    @staticmethod
    def _bodies(connection: Connection, keys: set[Key]) -> dict[Key, bytes]:
        """The bodies in the store of `keys`, read by ranges: keys come in runs."""
        table, found = schema.record, dict[Key, bytes]()
        for (node, epoch), run in groupby(sorted(keys), key=lambda key: key[:2]):
            wanted = [key[2] for key in run]
            for start in range(0, len(wanted), _FETCH_ROWS):
                rows = connection.execute(
                    select(table.c.seq, table.c.body).where(
                        table.c.node == node,
                        table.c.epoch == epoch,
                        table.c.seq.in_(wanted[start : start + _FETCH_ROWS]),
                    )
                )
                found |= {(node, epoch, row[0]): row[1] for row in rows}
        return found

    def _write_lampposts(self, connection: Connection, rows: Iterable[LamppostRow]) -> None:
        table = schema.lamppost
        last = {(row.gateway, row.node): row for row in rows}
        if not last:
            return
        statement = self._insert(table)
        new: dict[str, Any] = {
            column.name: statement.excluded[column.name]
            for column in table.c
            if not column.primary_key
        }
        # A repeat delivered late must not put an older state over a newer one.
        newer = statement.excluded.reported_time >= table.c.reported_time
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[table.c.gateway, table.c.node], set_=new, where=newer
            ),
            [row._asdict() for row in last.values()],
        )

    def _trim(self, connection: Connection) -> None:
        for table, limit in self._limits:
            newest = select(func.max(table.c.id)).scalar_subquery()
            connection.execute(delete(table).where(table.c.id <= newest - limit))

    def count(self, table: Table) -> int:
        """Rows in one of the tables of `fleet_cli.store.schema`."""
        with self._engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def count_records(
        self,
        *,
        kinds: Sequence[int] = (),
        nodes: Sequence[str] = (),
        since: int | None = None,
        until: int | None = None,
    ) -> int:
        """How many `records` gives for the same arguments.

        Raises:
            Unreachable: the store cannot be read.
        """
        statement = select(func.count()).select_from(schema.record)
        try:
            with self._engine.connect() as connection:
                wanted = _wanted(kinds, nodes, since, until)
                return connection.execute(statement.where(wanted)).scalar_one()
        except SQLAlchemyError as error:
            raise unreachable(self._url, error) from error

    def records(
        self,
        *,
        kinds: Sequence[int] = (),
        nodes: Sequence[str] = (),
        since: int | None = None,
        until: int | None = None,
    ) -> Iterator[RecordRow]:
        """Records by kind, time and key, read as they are consumed.

        Args:
            kinds: only these; empty for all.
            nodes: ids of lampposts; empty for all.
            since: only those at or after this Unix time, s.
            until: only those before it.

        Raises:
            Unreachable: the store cannot be read.
        """
        table = schema.record
        wanted = _wanted(kinds, nodes, since, until)
        order = (table.c.kind, table.c.time, table.c.node, table.c.epoch, table.c.seq)
        try:
            with self._engine.connect() as connection:
                streaming = connection.execution_options(yield_per=_FETCH_ROWS)
                columns = [table.c[name] for name in RecordRow._fields]
                for row in streaming.execute(select(*columns).where(wanted).order_by(*order)):
                    yield RecordRow(*row)
        except SQLAlchemyError as error:
            raise unreachable(self._url, error) from error


def _wanted(
    kinds: Sequence[int], nodes: Sequence[str], since: int | None, until: int | None
) -> ColumnElement[bool]:
    columns = schema.record.c
    return and_(
        True,
        *([columns.kind.in_(kinds)] if kinds else []),
        *([columns.node.in_(nodes)] if nodes else []),
        *([columns.time >= since] if since is not None else []),
        *([columns.time < until] if until is not None else []),
    )

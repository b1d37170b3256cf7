"""Opening a database by its SQLAlchemy URL, durable where the choice is ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event, insert, inspect, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from fleet_cli.errors import BadInput, Unreachable
from fleet_cli.store import schema

# The two whose INSERT knows ON CONFLICT and RETURNING; tests run against the first only.
INSERTS: Final[dict[str, Callable[..., Any]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
_BUSY_TIMEOUT_MS: Final = 30_000


def open_engine(url: str, *, create: bool) -> Engine:
    """The database at `url`, with its tables.

    Args:
        url: a SQLAlchemy URL such as sqlite:///city.db.
        create: make the tables, and for SQLite the file, where absent.

    Raises:
        BadInput: the URL cannot be used.
        Unreachable: the database cannot be opened, or holds tables of another version.
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend not in INSERTS:
            raise BadInput(f"store {url}: expected sqlite:// or postgresql://, got {backend}")
        engine = create_engine(parsed)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise BadInput(f"store {url}: {error}; expected a URL such as sqlite:///city.db") from error
    if backend == "sqlite":
        if not create and parsed.database and not Path(parsed.database).is_file():
            raise Unreachable(f"store {url}: no such file; it is made by: lamplighter ingest")
        event.listen(engine, "connect", _set_up_sqlite)
    try:
        _check_tables(engine, url, create=create)
    except SQLAlchemyError as error:
        engine.dispose()
        raise unreachable(url, error) from error
    return engine


def _check_tables(engine: Engine, url: str, *, create: bool) -> None:
    with engine.begin() as connection:
        if not inspect(connection).has_table(schema.store_version.name):
            if not create:
                raise Unreachable(f"store {url}: it is empty; it is filled by: lamplighter ingest")
            schema.metadata.create_all(connection)
            connection.execute(insert(schema.store_version).values(version=schema.VERSION))
        version = connection.execute(select(schema.store_version.c.version)).scalar()
    if version != schema.VERSION:
        raise Unreachable(
            f"store {url}: expected tables of version {schema.VERSION}, got {version}"
        )


def unreachable(url: str, error: SQLAlchemyError) -> Unreachable:
    """What to tell the user of a database error, without the SQL."""
    reason = str(getattr(error, "orig", None) or error).splitlines()[0]
    shown = make_url(url).render_as_string(hide_password=True)
    return Unreachable(f"store {shown}: {reason}")


def _set_up_sqlite(connection: Any, record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    # Readers do not wait for the writer, and what is committed survives a power cut.
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()

"""The tables of the city store."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

VERSION: Final = 1
"""Of the tables below; kept in `store_version`."""

metadata = MetaData()

store_version = Table("store_version", metadata, Column("version", Integer, primary_key=True))

# (node, epoch, seq) is the record's key everywhere: the primary key makes a repeat harmless.
record = Table(
    "record",
    metadata,
    Column("node", String(12), primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("gateway", String(64), nullable=False),
    Column("received", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("record_by_kind_and_time", record.c.kind, record.c.time)

# SQLite gives ids by itself only to a column of type INTEGER.
_ID = BigInteger().with_variant(Integer, "sqlite")

conflict = Table(
    "conflict",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("node", String(12), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("gateway", String(64), nullable=False),
    Column("received", BigInteger, nullable=False),
)
Index(
    "conflict_once", conflict.c.node, conflict.c.epoch, conflict.c.seq, conflict.c.body, unique=True
)

rejected = Table(
    "rejected",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("received", BigInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)

lamppost = Table(
    "lamppost",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("node", String(12), primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("link", Text, nullable=False),
    Column("reported_time", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("reported", Text, nullable=False),
)

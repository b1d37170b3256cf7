"""The store is read as it is, and not as its keys say that it must be."""

import contextlib
import sqlite3
from pathlib import Path

from fleet_cli.store import RecordRow, RejectedRow, Store
from simulators.demo.citystore import CityStore
from simulators.demo.proof import prove
from simulators.ledger import Ledger

NODE = "024067156601"


def ledger_of(count: int) -> Ledger:
    ledger = Ledger()
    for seq in range(count):
        ledger.record(NODE, 1, seq, bytes([seq]))
    return ledger


def row(seq: int, body: bytes) -> RecordRow:
    return RecordRow(NODE, 1, seq, 2, 0, body, "cabinet-1", 0)


def test_a_store_that_is_not_there_yet_has_nothing(tmp_path: Path) -> None:
    store = CityStore(tmp_path / "city.db")
    assert (store.count(), store.rows(), store.conflicts(), store.set_aside()) == (0, [], [], {})
    assert store.missing({(NODE, 1, 0)}) == {(NODE, 1, 0)}
    assert not store.file.exists()


def test_a_delivery_with_another_body_is_a_duplicate_and_altered(tmp_path: Path) -> None:
    file = tmp_path / "city.db"
    with Store(f"sqlite:///{file}", create=True) as writing:
        writing.write([row(seq, bytes([seq])) for seq in range(3)], [], [])
        writing.write([row(0, b"\x00"), row(1, b"other"), row(1, b"third")], [], [])
        writing.write([], [RejectedRow(0, "topic", "no record", 1, b"x")], [])
    store, ledger = CityStore(file), ledger_of(3)
    assert store.count() == 3
    assert store.set_aside() == {"conflict": 2, "rejected": 1}
    assert store.missing({(NODE, 1, 2), (NODE, 1, 3)}) == {(NODE, 1, 3)}
    total = prove(ledger, frozenset(ledger.records), store.rows(), store.conflicts()).total
    assert (total.produced, total.stored, total.duplicates, total.altered) == (3, 2, 2, 1)


def test_a_row_stored_twice_is_a_duplicate_even_where_no_key_forbids_it(tmp_path: Path) -> None:
    file = tmp_path / "city.db"
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE record (node TEXT, epoch INT, seq INT, body BLOB)")
        rows = [(NODE, 1, seq, bytes([seq])) for seq in (0, 1, 1)]
        database.executemany("INSERT INTO record VALUES (?, ?, ?, ?)", rows)
    store, ledger = CityStore(file), ledger_of(2)
    proof = prove(ledger, frozenset(ledger.records), store.rows(), store.conflicts())
    assert (proof.total.stored, proof.total.duplicates) == (2, 1)
    assert proof.examples["duplicates"] == [(NODE, 1, 1)]

"""The city store: once each, conflicts apart, bounded where strangers write."""

import sqlite3
from pathlib import Path

import pytest

from fleet_cli.errors import BadInput, Unreachable
from fleet_cli.store import LamppostRow, RecordRow, RejectedRow, Store, schema
from tests.unit.fleet_cli.rows import people


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/city.db"


def test_repeats_are_counted_and_change_nothing(url: str) -> None:
    rows = [people(seq) for seq in range(2500)]
    with Store(url, create=True) as store:
        assert store.write(rows).stored == 2500
        counts = store.write([*rows[:10], rows[3]])
        assert (counts.stored, counts.repeats, counts.conflicts) == (0, 11, 0)
        assert list(store.records()) == rows


def test_same_key_with_another_body_is_a_conflict_and_the_first_stands(url: str) -> None:
    other = people(1, towards=99)
    with Store(url, create=True) as store:
        store.write([people(1)])
        assert store.write([other]).conflicts == 1
        assert store.write([other]).conflicts == 1
        assert list(store.records()) == [people(1)]
        assert store.count(schema.conflict) == 1


def test_conflict_within_one_batch_is_seen(url: str) -> None:
    with Store(url, create=True) as store:
        counts = store.write([people(1), people(1, towards=99), people(1)])
        assert (counts.stored, counts.repeats, counts.conflicts) == (1, 1, 1)


def test_rejected_payloads_are_bounded_and_the_newest_stay(url: str) -> None:
    with Store(url, create=True, rejected_limit=5) as store:
        for number in range(4):
            store.write([], [RejectedRow(number, "t", "r", 1, b"x")] * 3)
        assert store.count(schema.rejected) == 5
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        oldest = connection.execute("SELECT min(received) FROM rejected").fetchone()[0]
    connection.close()
    assert oldest == 2


def test_older_state_of_a_lamppost_does_not_replace_a_newer_one(url: str) -> None:
    def state(time: int, name: str) -> LamppostRow:
        return LamppostRow("g", "a" * 12, name, "1.0.0", "up", time, 1, "{}")

    with Store(url, create=True) as store:
        store.write([], lampposts=[state(20, "new")])
        store.write([], lampposts=[state(10, "old")])
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        names = connection.execute("SELECT name FROM lamppost").fetchall()
    connection.close()
    assert names == [("new",)]


def test_records_are_chosen_by_kind_node_and_time(url: str) -> None:
    rows = [people(seq) for seq in range(10)]
    with Store(url, create=True) as store:
        store.write(
            [*rows, people(1)._replace(node="b" * 12), RecordRow("c" * 12, 0, 0, 2, 5, b"", "g", 1)]
        )
        found = store.records(
            kinds=[3], nodes=["a0b1c2d3e4f5"], since=rows[2].time, until=rows[5].time
        )
        assert list(found) == rows[2:5]


def test_locked_store_is_told_and_nothing_is_half_written(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet_cli.store.engine._BUSY_TIMEOUT_MS", 1)
    with Store(url, create=True) as store:
        other = sqlite3.connect(url.removeprefix("sqlite:///"))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unreachable, match="locked"):
            store.write([people(1)])
        other.close()
        assert store.write([people(1)]).stored == 1


def test_missing_store_is_not_made_by_reading(url: str) -> None:
    with pytest.raises(Unreachable, match="lamplighter ingest"):
        Store(url)
    assert not Path(url.removeprefix("sqlite:///")).exists()


@pytest.mark.parametrize("bad", ["nonsense", "mysql://x/y", "sqlite:////proc/none/city.db"])
def test_url_that_cannot_be_used_is_told(bad: str) -> None:
    with pytest.raises((BadInput, Unreachable), match="store"):
        Store(bad, create=True)


def test_tables_of_another_version_are_left_alone(url: str) -> None:
    Store(url, create=True).close()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE store_version SET version = 99")
    connection.close()
    with pytest.raises(Unreachable, match="expected tables of version 1, got 99"):
        Store(url, create=True)

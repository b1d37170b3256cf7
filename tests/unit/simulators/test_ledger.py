"""The ledger finds whatever is lost, doubled, changed or made up."""

from pathlib import Path

import pytest

from protocol import records
from simulators.ledger import Ledger

NODE = "02a1b2c3d4e5"
OTHER = "02a1b2c3d4e6"
UNANNOUNCED = records.encode(records.PEOPLE, 1_792_166_400, 900, 2, 1, 1000, 3, 0)


def filled(path: Path | None = None) -> Ledger:
    ledger = Ledger(path)
    for seq in range(4):
        ledger.record(NODE, 1, seq, bytes([seq]))
    ledger.record(OTHER, 1, 0, b"other")
    return ledger


ROWS = [*((NODE, 1, seq, bytes([seq])) for seq in range(4)), (OTHER, 1, 0, b"other")]


def test_a_store_with_all_of_it_once_is_exact() -> None:
    comparison = filled().compare(ROWS)
    assert comparison.exact
    assert (comparison.produced, comparison.stored) == (5, 5)


def test_each_fault_is_found_and_named() -> None:
    rows = [
        ROWS[0],
        ROWS[0],
        (NODE, 1, 1, b"changed"),
        ROWS[3],
        ROWS[4],
        (NODE, 2, 0, b"made up"),
    ]
    comparison = filled().compare(rows)
    assert not comparison.exact
    assert comparison.duplicates == [(NODE, 1, 0)]
    assert comparison.altered == [(NODE, 1, 1)]
    assert comparison.lost == [(NODE, 1, 2)]
    assert comparison.unknown == [(NODE, 2, 0)]
    assert str(comparison) == ("produced 5, stored 3, lost 1, duplicates 1, altered 1, unknown 1")


def test_a_record_that_a_power_cut_kept_from_being_announced_is_not_made_up() -> None:
    ledger = filled()
    ledger.killed(NODE)
    rows = [*ROWS, (NODE, 1, 4, UNANNOUNCED)]
    comparison = ledger.compare(rows)
    assert comparison.exact
    assert (comparison.produced, comparison.stored) == (6, 6)
    assert ledger.compare([*rows, (NODE, 1, 5, UNANNOUNCED)]).unknown == [(NODE, 1, 5)]


def test_what_a_killed_node_had_no_time_to_announce_is_a_record_or_made_up() -> None:
    ledger = filled()
    ledger.killed(NODE)
    assert ledger.compare([*ROWS, (NODE, 1, 4, b"anything")]).unknown == [(NODE, 1, 4)]


def test_where_no_node_is_killed_a_row_that_was_not_announced_is_made_up() -> None:
    ledger = filled()
    ledger.killed(NODE)
    comparison = ledger.compare([*ROWS, (NODE, 1, 4, UNANNOUNCED)], allow_unannounced=False)
    assert comparison.unknown == [(NODE, 1, 4)]
    assert (comparison.produced, comparison.stored) == (5, 5)


def test_one_number_for_two_records_is_an_error_that_shows_both() -> None:
    ledger = filled()
    ledger.record(NODE, 1, 3, b"\x03")
    with pytest.raises(ValueError, match="logged epoch 1 sequence 3 twice: first 03, then ff"):
        ledger.record(NODE, 1, 3, b"\xff")
    assert ledger.compare(ROWS).exact


def test_a_ledger_goes_on_where_its_file_ends(tmp_path: Path) -> None:
    path = tmp_path / "ledger.txt"
    ledger = filled(path)
    ledger.killed(NODE)
    ledger.close()
    with path.open("a") as file:
        file.write(f"{NODE} 1 4 0")  # the simulator was killed while it wrote
    again = Ledger(path)
    assert again.records == ledger.records
    again.record(NODE, 1, 4, b"\x04")
    again.close()
    last = Ledger(path)
    last.close()
    assert last.records == again.records
    assert last.compare([*ROWS, (NODE, 1, 4, b"\x04")]).exact


def test_a_file_that_is_no_ledger_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.txt"
    path.write_text("hello there\n")
    with pytest.raises(ValueError, match=r"ledger\.txt:1: expected node, epoch, sequence and body"):
        Ledger(path)

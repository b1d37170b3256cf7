from protocol import records
from simulators.demo.proof import prove
from simulators.ledger import Ledger

NODE = "024067156601"


def ledger_of(count: int) -> Ledger:
    ledger = Ledger()
    for seq in range(count):
        ledger.record(NODE, 1, seq, bytes([seq]))
    return ledger


def rows_of(ledger: Ledger) -> list[tuple[str, int, int, bytes]]:
    return [(*key, body) for key, body in ledger.records.items()]


def test_a_store_with_every_record_once_and_unchanged_is_clean() -> None:
    ledger = ledger_of(5)
    proof = prove(ledger, frozenset(ledger.records), rows_of(ledger))
    assert proof.total.clean
    assert (proof.total.produced, proof.total.stored) == (5, 5)
    assert proof.nodes[NODE].stored == 5


def test_a_record_logged_before_the_freeze_and_not_stored_is_lost() -> None:
    ledger = ledger_of(5)
    proof = prove(ledger, frozenset(ledger.records), rows_of(ledger)[:3])
    assert proof.total.lost == 2
    assert proof.examples["lost"] == [(NODE, 1, 3), (NODE, 1, 4)]
    assert not proof.total.clean


def test_a_record_logged_after_the_freeze_counts_only_once_it_has_arrived() -> None:
    ledger = ledger_of(3)
    frozen = frozenset(ledger.records)
    ledger.record(NODE, 1, 3, b"arrived")
    ledger.record(NODE, 1, 4, b"on its way")
    proof = prove(ledger, frozen, rows_of(ledger)[:4])
    assert proof.total.clean
    assert (proof.total.produced, proof.total.stored) == (4, 4)


def test_another_body_under_the_same_key_is_altered_and_not_stored() -> None:
    ledger = ledger_of(2)
    rows = [*rows_of(ledger)[:1], (NODE, 1, 1, b"other")]
    proof = prove(ledger, frozenset(ledger.records), rows)
    assert (proof.total.altered, proof.total.stored, proof.total.lost) == (1, 1, 0)


def test_each_other_body_that_was_set_aside_is_a_duplicate_and_its_key_altered() -> None:
    ledger = ledger_of(2)
    conflicts = [(NODE, 1, 1), (NODE, 1, 1)]
    proof = prove(ledger, frozenset(ledger.records), rows_of(ledger), conflicts)
    assert (proof.total.altered, proof.total.stored, proof.total.duplicates) == (1, 1, 2)
    assert not proof.total.clean


def test_a_row_that_no_lamppost_announced_is_unknown_even_after_a_kill() -> None:
    ledger = ledger_of(2)
    ledger.killed(NODE)
    body = records.encode(records.PEOPLE, 1_792_166_400, 900, 2, 1, 1000, 3, 0)
    rows = [*rows_of(ledger), (NODE, 1, 2, body)]
    proof = prove(ledger, frozenset(ledger.records), rows)
    assert (proof.total.unknown, proof.total.stored) == (1, 2)


def test_a_row_that_is_there_twice_is_a_duplicate() -> None:
    ledger = ledger_of(2)
    proof = prove(ledger, frozenset(ledger.records), rows_of(ledger) + rows_of(ledger)[:1])
    assert (proof.total.duplicates, proof.total.stored) == (1, 2)
    assert not proof.total.clean


def test_a_row_that_nobody_logged_is_unknown() -> None:
    ledger = ledger_of(1)
    stray = ("ffffffffffff", 1, 0, b"x")
    proof = prove(ledger, frozenset(ledger.records), [*rows_of(ledger), stray])
    assert proof.total.unknown == 1
    assert proof.nodes["ffffffffffff"].unknown == 1
    assert not proof.total.clean

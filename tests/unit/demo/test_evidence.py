"""A night is not taken for good because nothing was heard of it."""

import pytest

from protocol import records
from simulators.demo.evidence import GATEWAY_LOSSES, LOG_LOSSES, Evidence, doubts
from simulators.demo.proof import Row
from tests.unit.demo import nights

FIRST, SECOND = nights.NAMES
SPEED = 340.0


def rows_of(bodies: list[tuple[str, bytes]]) -> list[Row]:
    return [(node, 1, seq, body) for seq, (node, body) in enumerate(bodies)]


def doubted(
    bodies: list[tuple[str, bytes]],
    store: dict[str, int] | None = None,
    gateway: dict[str, int] | None = None,
    speed: float = SPEED,
) -> list[str]:
    nothing = {"conflict": 0, "rejected": 0}
    none = {"added": 9, "sent": 9, "repeated": 2, **dict.fromkeys(GATEWAY_LOSSES, 0)}
    evidence = Evidence(
        nights.NAMES, nothing if store is None else store, none if gateway is None else gateway
    )
    return doubts(evidence.take(rows_of(bodies), nights.END), nights.END, speed)


def until(end: float, node: str) -> list[tuple[str, bytes]]:
    """The night's records, those of ``node`` only until ``end``."""
    return [
        (who, body)
        for who, body in nights.bodies()
        if who != node or records.decode(body)[1] <= end
    ]


def test_a_night_with_records_of_everyone_to_its_end_leaves_no_doubt() -> None:
    assert doubted(nights.bodies()) == []


def test_a_lamppost_without_any_record_is_told() -> None:
    bodies = [(node, body) for node, body in nights.bodies() if node != SECOND]
    assert doubted(bodies) == [
        f"Lime Walk 02 ({SECOND}): expected records in the city store, got none"
    ]


def test_a_lamppost_that_fell_silent_in_the_night_is_told() -> None:
    assert doubted(until(nights.END - 2 * 3600, SECOND)) == []
    assert doubted(until(nights.END - 9000, SECOND)) == [
        f"Lime Walk 02 ({SECOND}): expected a record within 2.0 h of the end, "
        "the last is 2.5 h older"
    ]


def test_a_lamppost_whose_clock_was_never_set_is_told() -> None:
    undated = [(SECOND, records.encode(records.PEOPLE, 900, 900, 2, 1, 1000, 3, 0))]
    bodies = [(node, body) for node, body in nights.bodies() if node == FIRST] + undated
    assert doubted(bodies) == [
        f"Lime Walk 02 ({SECOND}): expected dated records up to the end, got none"
    ]


def test_a_record_from_after_the_end_does_not_hide_silence_before_it() -> None:
    later = records.encode(records.PEOPLE, int(nights.END) + 10**6, 900, 2, 1, 1000, 3, 0)
    bodies = [*until(nights.END - 9000, SECOND), (SECOND, later)]
    assert len(doubted(bodies)) == 1


def test_in_a_fast_night_the_end_is_at_least_some_seconds_of_machine_time() -> None:
    bodies = until(nights.END - 9000, SECOND)
    assert doubted(bodies, speed=2000) == []
    assert len(doubted(bodies, speed=1)) == 1


@pytest.mark.parametrize("table", ["conflict", "rejected"])
def test_what_the_store_set_aside_fails_the_night(table: str) -> None:
    held = {"conflict": 0, "rejected": 0, table: 3}
    assert doubted(nights.bodies(), store=held) == [f"the store's table {table}: expected 0, got 3"]


@pytest.mark.parametrize("counter", GATEWAY_LOSSES)
def test_what_the_gateway_did_not_keep_fails_the_night(counter: str) -> None:
    told = {"added": 9, **dict.fromkeys(GATEWAY_LOSSES, 0), counter: 1}
    assert doubted(nights.bodies(), gateway=told) == [
        f"the gateway's counter {counter}: expected 0, got 1"
    ]


def test_counters_that_cannot_be_read_are_not_taken_for_zero() -> None:
    said = doubted(nights.bodies(), store={}, gateway={})
    assert len(said) == 2 + len(GATEWAY_LOSSES)
    assert all("it is not there to be read" in line for line in said)


@pytest.mark.parametrize("code", [5, 17])
def test_an_event_that_tells_of_records_not_kept_fails_the_night(code: int) -> None:
    assert code in LOG_LOSSES
    time = int(nights.END) - 3600
    event = (FIRST, records.encode(records.EVENT, time, code, 12))
    assert doubted([*nights.bodies(), event, event]) == [
        f"Lime Walk 01 ({FIRST}): {records.EVENTS[code]}, 24 records were not kept"
    ]
    harmless = (FIRST, records.encode(records.EVENT, time, records.EVENT_CLOCK_SET, 12))
    assert doubted([*nights.bodies(), harmless]) == []


def test_a_row_that_is_no_record_fails_the_night() -> None:
    assert doubted([*nights.bodies(), (FIRST, b"x")]) == [
        "1 rows of the store are no record of a known kind"
    ]

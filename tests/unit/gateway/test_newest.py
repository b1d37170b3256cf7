"""What a lamppost sent last, told from a whole window of records at once."""

from __future__ import annotations

from gateway.lampposts.newest import Newest
from protocol import cbor, records

TIME = 1_800_000_000


def air(number: int) -> bytes:
    return records.encode(records.AIR, TIME + number, 60, 60, 1000, 50, 90, 120, 80, 99, 90, 0)


def people(towards: int, away: int) -> bytes:
    return records.encode(records.PEOPLE, TIME, 60, towards, away, 1000, 0, 0)


def test_the_newest_of_each_kind_is_kept_and_all_people_are_counted() -> None:
    newest = Newest()
    newest.take([air(0), people(2, 1), air(1), people(0, 4)])
    newest.take([people(1, 0)])
    assert newest.measured == {records.AIR: air(1), records.PEOPLE: people(1, 0)}
    assert newest.people == 8


def test_what_is_no_record_hides_none() -> None:
    newest = Newest()
    outside = cbor.dumps([records.AIR, TIME, *[1 << 40] * 10])
    newest.take([air(0), outside, b"", b"\x9f", b"\x82\x02", cbor.dumps([records.AIR, TIME])])
    assert newest.measured == {records.AIR: air(0)}


def test_a_restart_clears_what_stood() -> None:
    newest = Newest()
    least = {kind: [low for _, _, low, _ in fields] for kind, (_, fields) in records.KINDS.items()}
    newest.take(
        [
            records.encode(records.FAULT, TIME, 1, 1, 50, 0, 300, 2300),
            records.encode(records.EVENT, TIME, records.EVENT_SENSOR_LOST, records.AIR),
        ]
    )
    assert newest.faults == {1}
    assert newest.lost == {records.AIR: records.EVENT_SENSOR_LOST}
    newest.take([records.encode(records.BOOT, TIME, *least[records.BOOT])])
    assert not newest.faults
    assert not newest.lost

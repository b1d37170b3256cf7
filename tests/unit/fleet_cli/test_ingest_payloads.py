"""What gateways publish: every payload is either rows or a counted rejection."""

import json

from hypothesis import given
from hypothesis import strategies as st

from fleet_cli.ingest.payloads import MAX_PAYLOAD, Batch
from protocol import cbor, records

TOPIC = "lamplighter/v1/cabinet-7/records"
NODE = bytes.fromhex("a0b1c2d3e4f5")
BODY = records.encode(records.LAMP, 1_780_000_000, 50, records.REASON_PROGRAM, 50)


def taken(payload: bytes, topic: str = TOPIC) -> Batch:
    batch = Batch()
    batch.add(topic, payload, 7)
    return batch


def test_records_get_consecutive_keys() -> None:
    batch = taken(cbor.dumps([1, NODE, 3, 40, [BODY, BODY]]))
    assert [(row.node, row.epoch, row.seq, row.kind, row.gateway) for row in batch.records] == [
        ("a0b1c2d3e4f5", 3, 40, records.LAMP, "cabinet-7"),
        ("a0b1c2d3e4f5", 3, 41, records.LAMP, "cabinet-7"),
    ]
    assert batch.records[0].body == BODY


def test_record_of_a_kind_from_a_newer_release_is_kept() -> None:
    body = cbor.dumps([99, 1_780_000_000, "whatever"])
    batch = taken(cbor.dumps([1, NODE, 0, 0, [body]]))
    assert [(row.kind, row.body) for row in batch.records] == [(99, body)]


def test_bad_record_is_set_aside_and_does_not_shift_the_keys_of_others() -> None:
    batch = taken(cbor.dumps([1, NODE, 0, 5, [b"\x00", BODY]]))
    assert [row.seq for row in batch.records] == [6]
    assert [row.reason.startswith("record a0b1c2d3e4f5 0/5: ") for row in batch.rejected] == [True]


def test_state_with_wrong_types_is_set_aside() -> None:
    topic = f"lamplighter/v1/cabinet-7/lamppost/{NODE.hex()}/reported"
    assert len(taken(b'{"link": {"state": 5}}', topic).rejected) == 1
    good = json.dumps({"name": "high-street", "firmware": {"version": None}}).encode()
    assert taken(good, topic).lampposts[0].name == "high-street"


def test_rejected_payload_is_kept_cut_with_its_size() -> None:
    row = taken(b"\xff" * (MAX_PAYLOAD + 1)).rejected[0]
    assert (row.size, len(row.payload)) == (MAX_PAYLOAD + 1, 4096)


_VALUES = st.recursive(
    st.one_of(st.integers(-(2**63), 2**64 - 1), st.binary(max_size=60), st.text(max_size=9),
              st.booleans(), st.none()),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=20,
)  # fmt: skip


@given(st.one_of(st.binary(max_size=200), _VALUES.map(cbor.dumps)))
def test_any_payload_is_rows_or_a_rejection(payload: bytes) -> None:
    batch = taken(payload)
    assert batch.records or batch.rejected or cbor.loads(payload)[4] == []


@given(st.lists(_VALUES, min_size=5, max_size=5))
def test_any_members_in_the_right_frame_are_rows_or_a_rejection(members: list[object]) -> None:
    batch = taken(cbor.dumps([1, NODE, *members[2:4], [BODY, cbor.dumps(members[4])]]))
    assert len(batch.records) + len(batch.rejected) in (1, 2)
    for row in batch.records:
        assert 0 <= row.seq < 2**63
        assert 0 <= row.kind < 2**15


@given(st.text(max_size=80), st.binary(max_size=40))
def test_any_topic_is_survived(topic: str, payload: bytes) -> None:
    assert len(taken(payload, topic).rejected) == 1

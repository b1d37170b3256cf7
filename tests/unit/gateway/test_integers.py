"""What is told by heads alone is what the protocol's own reader finds, for any bytes."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lampposts.integers import integers
from protocol import cbor, records
from protocol.errors import ProtocolError

_HEADS = st.sampled_from(
    [bytes((head,)) for head in (0x18, 0x19, 0x1A, 0x1B, 0x38, 0x39, 0x3A, 0x3B, 0x80, 0x98, 0xC2)]
)
_LIKELY = st.lists(_HEADS | st.binary(max_size=9), max_size=12).map(b"".join)


def read(data: bytes) -> int | None:
    try:
        value = cbor.loads(data)
    except ProtocolError:
        return None
    if not isinstance(value, list) or any(type(item) is not int for item in value):
        return None
    return len(value)


@given(st.lists(st.integers(-(2**63), 2**64 - 1), max_size=255))
def test_integers_are_counted(items: list[int]) -> None:
    assert integers(cbor2.dumps(items)) == len(items)


@given(st.binary(max_size=40) | _LIKELY | _LIKELY.map(lambda tail: b"\x82" + tail))
def test_never_more_is_believed_than_the_protocol_reads(data: bytes) -> None:
    found = integers(data)
    assert found is None or found == read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x82\x01",  # too few
        b"\x82\x01\x02\x03",  # too many
        b"\x82\x01\xc2\x41\x05",  # a big number behind a tag
        b"\x81\x3b" + b"\xff" * 8,  # below -2**63
        b"\x9f\x01\x02\xff",  # no length
        b"\x81\x81\x01",
        b"\x81\xf5",
        b"\x01",
        b"\x98",
        b"\x81\x1c",
    ],
)
def test_all_else_is_none(data: bytes) -> None:
    assert integers(data) is None


def test_a_record_of_any_kind_is_told() -> None:
    for kind, (_, fields) in records.KINDS.items():
        least = [low for _, _, low, _ in fields]
        assert integers(records.encode(kind, 1_800_000_000, *least)) == len(fields) + 2

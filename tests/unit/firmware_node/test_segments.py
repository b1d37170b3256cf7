"""Frames of the node's log."""

import io

from hypothesis import given
from hypothesis import strategies as st

from firmware.node import segments

bodies = st.lists(st.binary(min_size=1, max_size=48), min_size=1, max_size=12)


def _read(data: bytes) -> tuple[list[tuple[int, int, bytes]], segments.Reader]:
    reader = segments.Reader(io.BytesIO(data))
    found: list[tuple[int, int, bytes]] = []
    while (record := reader.next()) is not None:
        found.append(record)
    return found, reader


@given(bodies, st.integers(1, 1 << 31), st.integers(0, 1 << 31))
def test_records_come_back_with_their_keys(bodies: list[bytes], epoch: int, sequence: int) -> None:
    entries = [(epoch, sequence + index, body) for index, body in enumerate(bodies)]
    entries += [(epoch + 1, index, body) for index, body in enumerate(bodies)]

    found, reader = _read(segments.frames(entries, None))

    assert found == entries
    assert not reader.torn
    assert (reader.damaged, reader.passed) == (0, len(entries))


@given(bodies, st.data())
def test_a_cut_file_gives_whole_records_only(bodies: list[bytes], data: st.DataObject) -> None:
    entries = [(3, index, body) for index, body in enumerate(bodies)]
    whole = segments.frames(entries, None)
    size = data.draw(st.integers(0, len(whole) - 1))

    found, _ = _read(whole[:size])

    assert found == entries[: len(found)]
    assert len(found) < len(entries)


@given(bodies, st.data())
def test_a_flipped_bit_never_gives_a_wrong_record(bodies: list[bytes], data: st.DataObject) -> None:
    entries = [(3, index, body) for index, body in enumerate(bodies)]
    whole = bytearray(segments.frames(entries, None))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    found, reader = _read(bytes(whole))

    assert set(found) <= set(entries)
    assert len(found) < len(entries)
    assert reader.damaged or reader.torn


@given(st.binary(max_size=200))
def test_anything_can_be_read(junk: bytes) -> None:
    found, reader = _read(junk)

    assert found == [] or reader.passed >= len(found)
    assert segments.parse_header(junk) is None

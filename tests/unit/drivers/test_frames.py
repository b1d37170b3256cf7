"""Every parser that finds frames in a stream: any bytes in any pieces, and the next good frame."""

from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers import cse7766, ld2410
from firmware.node.drivers.frames import Frames, begins

CSE = bytes.fromhex("555A02F7600003AB00401002605D51A65803E9EF710B7A36")
RADAR = bytes.fromhex("F4F3F2F10D0002AA0251000000003B00005500F8F7F6F5")


class Fits(Protocol):
    def __call__(self, held: bytes | bytearray) -> bool: ...


STREAMS: dict[str, tuple[Fits, bytes]] = {
    "cse7766": (cse7766._fits, CSE),  # pyright: ignore[reportPrivateUsage]
    "ld2410": (ld2410._fits, RADAR),  # pyright: ignore[reportPrivateUsage]
}


@pytest.mark.parametrize("name", STREAMS)
@given(data=st.data())
def test_whatever_came_before_the_next_good_frame_is_found(name: str, data: st.DataObject) -> None:
    fits, good = STREAMS[name]
    frames = Frames(len(good), fits)
    pieces = st.binary(max_size=40) | st.just(good) | st.integers(1, 22).map(lambda n: good[:n])
    noise = b"".join(data.draw(st.lists(pieces, max_size=6)))
    stream = noise + good * 2
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    found: list[bytes] = []
    taken = 0
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        frame = frames.feed(stream[begin:end])
        taken += end - begin
        if frame is not None:
            found.append(frame)
        # Bounded: what it holds is what it neither gave nor skipped.
        assert 0 <= taken - frames.skipped - frames.accepted * len(good) < len(good)
    assert found
    assert found[-1] == good
    assert all(len(frame) == len(good) and begins(frame, fits) for frame in found)


@pytest.mark.parametrize("name", STREAMS)
def test_a_frame_cut_off_costs_no_later_one(name: str) -> None:
    fits, good = STREAMS[name]
    for size in range(1, len(good)):
        frames = Frames(len(good), fits)
        assert frames.feed(good[:size] + good) == good
        assert frames.skipped == size


@pytest.mark.parametrize("name", STREAMS)
def test_after_silence_a_frame_begins_anew(name: str) -> None:
    fits, good = STREAMS[name]
    frames = Frames(len(good), fits)
    assert frames.feed(good[:7]) is None
    frames.clear()
    assert frames.feed(good) == good
    assert (frames.accepted, frames.skipped) == (1, 7)

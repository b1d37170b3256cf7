"""Messages out of notifications, whatever comes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ble.reassembly import Reassembly
from protocol import smp
from protocol.busframe import MAX_PAYLOAD

PIECES = st.binary(max_size=512)


def _message(size: int) -> bytes:
    body = size - smp.HEADER_SIZE
    return smp.pack_header(smp.OP_READ_RSP, 64, 1, 2, body) + bytes(body)


@settings(max_examples=50)
@given(st.integers(smp.HEADER_SIZE, MAX_PAYLOAD), st.lists(st.integers(1, 512), min_size=1))
def test_a_message_is_put_together_however_it_was_cut(size: int, cuts: list[int]) -> None:
    message, parts = _message(size), Reassembly()
    at = turn = 0
    done = None
    while at < size:
        assert done is None
        step = cuts[turn % len(cuts)]
        done = parts.feed(message[at : at + step], now=0.0)
        at += step
        turn += 1
    assert done == message


@settings(max_examples=50)
@given(st.lists(st.tuples(PIECES, st.floats(0, 5)), max_size=60))
def test_rubbish_never_holds_more_than_one_message_and_is_forgotten(
    rubbish: list[tuple[bytes, float]],
) -> None:
    parts, now = Reassembly(), 0.0
    for piece, pause in rubbish:
        now += pause
        message = parts.feed(piece, now)
        assert message is None or len(message) <= MAX_PAYLOAD
        assert len(parts._pending) <= MAX_PAYLOAD  # pyright: ignore[reportPrivateUsage]
    assert parts.feed(_message(100), now + 10) == _message(100)


def test_endless_fragments_of_one_byte_come_to_an_end() -> None:
    parts = Reassembly()
    assert all(parts.feed(b"\xff", 0.0) is None for _ in range(1_000))
    assert parts.passed_over == 1
    parts.clear()
    assert parts.feed(_message(8), 0.0) == _message(8)


def test_a_message_too_long_is_passed_over_to_its_end() -> None:
    parts = Reassembly()
    long = _message(MAX_PAYLOAD + 300)
    for at in range(0, len(long), 100):
        assert parts.feed(long[at : at + 100], 0.0) is None
    assert parts.feed(_message(20), 0.0) == _message(20)
    assert parts.passed_over == 1


def test_what_follows_a_message_in_its_last_piece_spoils_it() -> None:
    parts = Reassembly()
    assert parts.feed(_message(20) + b"more", 0.0) is None
    assert parts.passed_over == 1

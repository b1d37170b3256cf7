import struct

from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers import pms5003
from tests.unit.drivers import captures


def frame(words: list[int]) -> bytes:
    body = b"\x42\x4d" + struct.pack(f">H{len(words)}H", 2 * len(words) + 2, *words)
    return body + struct.pack(">H", sum(body) & 0xFFFF)


def readings(parser: pms5003.Parser, data: bytes) -> list[tuple[int, ...]]:
    """(PM1, PM2.5, PM10, PM2.5 at CF = 1) in ug/m3 of each measurement that the bytes complete."""
    found: list[tuple[int, ...]] = []
    for byte in data:
        for _ in range(parser.feed(bytes((byte,)))):
            assert all(value % 10 == 0 for value in parser.values)
            found.append(tuple(value // 10 for value in parser.values))
    return found


WORDS = st.lists(st.integers(0, 0xFFFF), min_size=13, max_size=13)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


def test_captured_frames_read_as_an_independent_decoder_reads_them() -> None:
    for name, sensors in (("PMSx003", ("PMSx003",)), ("PMS3003", ("PMS3003",))):
        parser = pms5003.Parser()
        captured = captures.frames(*sensors)
        known = [captures.decoded(one, name) for one in captured]
        ours = readings(parser, b"".join(captured))
        assert ours == [(one.pm01, one.pm25, one.pm10, one.raw25) for one in known]
        assert (parser.accepted, parser.rejected_sum, parser.skipped) == (len(captured), 0, 0)


@given(st.lists(WORDS, min_size=1, max_size=4), st.lists(st.integers(0, 40), max_size=8))
def test_frames_are_found_however_their_bytes_are_cut(
    frames: list[list[int]], sizes: list[int]
) -> None:
    # A sum takes 16 bits on the wire; the words here stay below what would overflow it.
    small = [[word & 0x3FF for word in words] for words in frames]
    parser = pms5003.Parser()
    stream = b"".join(frame([*words[:12], 0]) for words in small)
    count = sum(parser.feed(piece) for piece in cut(stream, sizes))
    assert count == parser.accepted == len(small)
    last = small[-1]
    assert parser.values == [10 * word for word in (*last[3:6], last[1])]
    assert readings(pms5003.Parser(), stream) == [(*words[3:6], words[1]) for words in small]


@given(st.lists(st.binary(max_size=80), max_size=10))
def test_any_bytes_are_measurements_or_counted_and_never_pile_up(pieces: list[bytes]) -> None:
    parser = pms5003.Parser()
    found = sum(parser.feed(piece) for piece in pieces)
    parser.clear()
    total = sum(len(piece) for piece in pieces)
    assert found == parser.accepted
    taken = 24 * parser.accepted + 8 * parser.answers + parser.skipped
    assert taken <= total <= taken + 8 * parser.accepted


@given(st.binary(max_size=40), st.integers(0, 1000))
def test_after_garbage_the_second_frame_is_found_at_the_latest(garbage: bytes, pm: int) -> None:
    parser = pms5003.Parser()
    good = frame([0, 0, 0, pm, pm, pm, 0, 0, 0, 0, 0, 0, 0])
    assert (pm, pm, pm, 0) in readings(parser, garbage + good + good)


@given(st.integers(0, 255), st.integers(1, 255), WORDS)
def test_a_frame_with_one_byte_wrong_is_never_believed(
    position: int, flip: int, words: list[int]
) -> None:
    good = bytearray(frame([word & 0x3FF for word in words]))
    at = 4 + position % 26  # data: a change there always changes the sum
    good[at] ^= flip
    parser = pms5003.Parser()
    assert parser.feed(bytes(good)) == 0
    assert parser.rejected_sum == 1


def test_a_frame_that_begins_inside_a_broken_one_is_found() -> None:
    good = frame([0, 0, 0, 7, 8, 9, 0, 0, 0, 0, 0, 0, 0])
    parser = pms5003.Parser()
    assert readings(parser, good[:13] + good) == [(7, 8, 9, 0)]
    assert parser.rejected_sum == 1


def test_answers_to_commands_are_no_measurements() -> None:
    parser = pms5003.Parser()
    assert parser.feed(bytes.fromhex("424d0004e4010178")) == 0
    assert (parser.answers, parser.rejected_sum, parser.skipped) == (1, 0, 0)


def test_commands_are_those_of_the_data_manual() -> None:
    assert pms5003.command(*pms5003.SLEEP).hex() == "424de400000173"
    assert pms5003.command(*pms5003.WAKE).hex() == "424de400010174"
    assert pms5003.command(*pms5003.PASSIVE).hex() == "424de100000170"
    assert pms5003.command(*pms5003.ACTIVE).hex() == "424de100010171"
    assert pms5003.command(*pms5003.READ).hex() == "424de200000171"


def test_a_reading_above_what_the_sensor_can_measure_is_beyond() -> None:
    parser = pms5003.Parser()
    parser.feed(frame([0, 0, 0, 7, 1000, 1000, 0, 0, 0, 0, 0, 0, 0]))
    assert not parser.beyond
    parser.feed(frame([0, 0, 0, 7, 1001, 9, 0, 0, 0, 0, 0, 0, 0]))
    assert parser.beyond

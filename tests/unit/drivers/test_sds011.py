from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers import sds011
from tests.unit.drivers import captures

ID = b"\x58\xd9"


def frame(pm25: int, pm10: int, head: int = 0xC0) -> bytes:
    data = pm25.to_bytes(2, "little") + pm10.to_bytes(2, "little") + ID
    return bytes((0xAA, head)) + data + bytes((sum(data) & 0xFF, 0xAB))


def readings(parser: sds011.Parser, data: bytes) -> list[tuple[int, int]]:
    """(PM2.5, PM10) in 0.1 ug/m3 of each measurement that the bytes complete."""
    found: list[tuple[int, int]] = []
    for byte in data:
        for _ in range(parser.feed(bytes((byte,)))):
            assert parser.values[0] == 0
            assert parser.values[3] == parser.values[1]
            found.append((parser.values[1], parser.values[2]))
    return found


VALUES = st.tuples(st.integers(0, 9999), st.integers(0, 9999))


def test_captured_frames_read_as_an_independent_decoder_reads_them() -> None:
    parser = sds011.Parser()
    captured = captures.frames("SDS01x")
    known = [captures.decoded(one, "SDS01x") for one in captured]
    ours = readings(parser, b"".join(captured))
    assert ours == [(round(10 * one.pm25), round(10 * one.pm10)) for one in known]
    assert len(ours) == 10
    assert parser.skipped == 0


@given(st.lists(VALUES, min_size=1, max_size=5), st.lists(st.binary(max_size=30), max_size=5))
def test_frames_are_found_between_any_noise(
    values: list[tuple[int, int]], noise: list[bytes]
) -> None:
    stream = b""
    for index, value in enumerate(values):
        stream += noise[index] if index < len(noise) else b""
        # Noise can hold the beginning of a frame, which swallows the next one and no more.
        stream += frame(*value) + frame(*value)
    found = readings(sds011.Parser(), stream)
    assert [value for value in values if value not in found] == []


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_bytes_are_measurements_or_counted(pieces: list[bytes]) -> None:
    parser = sds011.Parser()
    for piece in pieces:
        parser.feed(piece)
    parser.clear()
    assert parser.skipped <= sum(len(piece) for piece in pieces)
    assert (sum(len(piece) for piece in pieces) - parser.skipped) % 10 == 0


@given(VALUES, st.integers(2, 9), st.integers(1, 255))
def test_a_frame_with_one_byte_wrong_is_never_believed(
    values: tuple[int, int], position: int, flip: int
) -> None:
    bad = bytearray(frame(*values))
    bad[position] ^= flip
    assert sds011.Parser().feed(bytes(bad)) == 0


def test_answers_to_commands_are_no_measurements() -> None:
    assert sds011.Parser().feed(frame(6, 1, head=0xC5)) == 0


def test_a_reading_above_what_the_sensor_can_measure_is_beyond() -> None:
    parser = sds011.Parser()
    assert parser.feed(frame(9999, 9999)) == 1
    assert not parser.beyond
    assert parser.feed(frame(10000, 10)) == 1
    assert parser.beyond


def test_commands_are_those_of_the_protocol() -> None:
    # The examples of the control protocol V1.3 for any device, with its own sums.
    tail = "00" * 10 + "ffff"
    assert sds011.command(*sds011.SLEEP).hex() == "aab4060100" + tail + "05ab"
    assert sds011.command(*sds011.WAKE).hex() == "aab4060101" + tail + "06ab"
    assert sds011.command(*sds011.ACTIVE).hex() == "aab4020100" + tail + "01ab"
    assert sds011.command(*sds011.CONTINUOUS).hex() == "aab4080100" + tail + "07ab"

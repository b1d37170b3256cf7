import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers import cse7766
from tests.unit.drivers.wires import ScriptedPort

# Frames of real meters, as people who took them apart wrote them down, with what they mean: by
# voltage, current and power = coefficient / period, worked out by hand to the unit of a record.
CAPTURED = {
    "F25A02F76000036100401005724051A65863101BE17F4D4E": (2247, 46, 0, 0x7F4D, 5351000),
    "555A02F76000035A004010048B9F51A65818727561ACA130": (2266, 55, 33, 0xACA1, 5351000),
    "555A02F7600003AB00401002605D51A65803E9EF710B7A36": (2070, 105, 209, 0x0B7A, 5351000),
    "555A02F1E800079D003F3E0035F850DB3800B2A2F1D6973E": (990, 1172, 1159, 0xD697, 5299000),
    "555A02DB40000325003D18038ECD4F0A602A56856101021A": (2325, 67, 19, 0x0102, 5180000),
    # One that its finder noted as wrong: 0.4 V. The frame is sound; that it cannot be is the
    # sampler's to see.
    "555A02DB4007171D003D18038ECD4F0A602BEFEA6101022C": (4, 67, 18, 0x0102, 5180000),
}
GOOD = bytes.fromhex("555A02F7600003AB00401002605D51A65803E9EF710B7A36")


def frame(state: int, *values: int, adjustment: int = 0x71, pulses: int = 0) -> bytes:
    body = b"".join(value.to_bytes(3, "big") for value in values)
    body += bytes((adjustment,)) + pulses.to_bytes(2, "big")
    return bytes((state, 0x5A)) + body + bytes((sum(body) % 256,))


@pytest.mark.parametrize("captured", CAPTURED)
def test_captured_frames_read_as_their_meters_meant_them(captured: str) -> None:
    assert cse7766.parse(bytes.fromhex(captured)) == CAPTURED[captured]


def test_an_uncalibrated_chip_is_read_with_typical_coefficients() -> None:
    assert cse7766.parse(frame(0xAA, 0, 831, 0, 155740, 0, 256495, pulses=9)) == (
        2301,  # 191200 / 831
        104,  # 16140 / 155740
        203,  # 5195000 / 256495
        9,
        5195000,
    )


@pytest.mark.parametrize("state", [0xF1, 0xF3, 0xFF])
def test_damaged_coefficients_are_not_believed(state: int) -> None:
    assert cse7766.parse(bytes((state,)) + GOOD[1:]) is None


@given(
    st.lists(st.integers(0, 2**24 - 1), min_size=6, max_size=6),
    st.integers(0xF0, 0xFF) | st.sampled_from((0x55, 0xAA)),
    st.integers(0, 2**16 - 1),
)
def test_any_frame_whose_sum_is_right_is_a_bounded_reading_or_none(
    values: list[int], state: int, pulses: int
) -> None:
    reading = cse7766.parse(frame(state, *values, pulses=pulses))
    if reading is not None:
        assert all(value >= 0 for value in reading)
        assert reading[3] == pulses
        assert 5195000 * 3 // 4 <= reading[4] <= 5195000 * 5 // 4


@given(st.integers(0, 23), st.integers(1, 255))
def test_a_frame_with_one_byte_wrong_never_reads_as_another(at: int, flip: int) -> None:
    wrong = bytearray(GOOD)
    wrong[at] ^= flip
    reading = cse7766.parse(bytes(wrong))
    # The state has no sum over it: its other values say which of the fields not to believe.
    assert reading is None or (at == 0 and (wrong[0] == 0xAA or wrong[0] >= 0xF0))


def test_a_frame_is_taken_whole_from_a_stream_joined_in_the_middle() -> None:
    port = ScriptedPort()
    meter = cse7766.Cse7766(port)
    port.coming = GOOD
    meter.ask()
    port.coming = GOOD[9:] + GOOD[:20]
    assert meter.poll() is None
    port.coming = GOOD[20:]
    assert meter.poll() == (2070, 105, 209, 0x0B7A)
    assert (meter.rejected, meter.unit) == (0, 5351000)


def test_babble_is_counted_and_the_next_frame_is_read() -> None:
    port = ScriptedPort()
    meter = cse7766.Cse7766(port)
    for _ in range(3):
        meter.ask()
        port.coming = bytes(range(48))
        assert meter.poll() is None
    assert meter.rejected > 100
    meter.ask()
    port.coming = b"\x55\x5a\x55" + GOOD
    assert meter.poll() == (2070, 105, 209, 0x0B7A)

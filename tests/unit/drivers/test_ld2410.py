from random import Random
from typing import Any

import pytest
from aio_ld2410.protocol import Command, CommandCode, CommandFrame, Report, ReportFrame
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers import ld2410
from simulators.parts import SteadySurroundings, Walker
from simulators.parts.ld2410 import Ld2410
from tests.unit.drivers.wires import ScriptedPort

# `construct` gives no types for what it parses.
REPORT: Any = Report
REPORT_FRAME: Any = ReportFrame
COMMAND: Any = Command
COMMAND_FRAME: Any = CommandFrame

# Frames as makers and users of the radar printed them, decoded by hand.
CAPTURED = {
    "F4F3F2F10D0002AA0251000000003B00005500F8F7F6F5": (2, 81, 0, 0, 59, 0),
    "F4F3F2F10D0002AA000000000000370000" + "5500F8F7F6F5": (0, 0, 0, 0, 55, 0),
    "F4F3F2F10D0002AA0346003400003C0000" + "5500F8F7F6F5": (3, 70, 52, 0, 60, 0),
    "F4F3F2F10D0002AA032A00640000640000" + "5500F8F7F6F5": (3, 42, 100, 0, 100, 0),
    "F4F3F2F10D0002AA034F00644C00643200" + "5500F8F7F6F5": (3, 79, 100, 76, 100, 50),
}
GOOD = bytes.fromhex("F4F3F2F10D0002AA0251000000003B00005500F8F7F6F5")


@pytest.mark.parametrize("captured", CAPTURED)
def test_captured_frames_read_with_both_distances_of_two_bytes(captured: str) -> None:
    assert ld2410.parse(bytes.fromhex(captured)) == CAPTURED[captured]


def theirs(frame: bytes) -> tuple[int, ...]:
    """The fields of a frame as an independent library reads them."""
    found = REPORT.parse(REPORT_FRAME.parse(frame).data).data.basic
    return (
        int(found.target_status),
        found.moving_distance,
        found.moving_energy,
        found.static_distance,
        found.static_energy,
        found.detection_distance,
    )


@pytest.mark.parametrize("captured", CAPTURED)
def test_captured_frames_read_as_an_independent_library_reads_them(captured: str) -> None:
    assert ld2410.parse(bytes.fromhex(captured)) == theirs(bytes.fromhex(captured))


CM = st.integers(0, 1000)
ENERGY = st.integers(0, 100)


@given(st.integers(0, 3), CM, ENERGY, CM, ENERGY, CM)
def test_any_frame_reads_as_an_independent_library_reads_it(
    state: int, moving: int, energy: int, still: int, still_energy: int, reach: int
) -> None:
    body = bytes((state,)) + moving.to_bytes(2, "little") + bytes((energy,))
    body += still.to_bytes(2, "little") + bytes((still_energy,)) + reach.to_bytes(2, "little")
    frame = GOOD[:8] + body + GOOD[17:]
    assert ld2410.parse(frame) == theirs(frame)


@pytest.mark.parametrize("position", [-7000, -3000, 0, 5000])
def test_the_models_frames_are_read_alike_by_both(position: int) -> None:
    now = 0.0
    part = Ld2410(SteadySurroundings(people=[Walker(position, 1700)]), lambda: now, Random(1))
    now = 0.2
    frame = part.pending(now)
    assert ld2410.parse(frame) == theirs(frame)
    assert (theirs(frame)[0] != 0) == (abs(position) < 6000)


def test_a_still_distance_beyond_a_byte_is_read_whole() -> None:
    far = bytearray(GOOD)
    far[12:14] = (300).to_bytes(2, "little")
    found = ld2410.parse(bytes(far))
    assert found is not None
    assert found[3] == 300


@pytest.mark.parametrize(
    ("at", "value"), [(8, 4), (10, 4), (11, 101), (13, 4), (14, 101), (16, 4), (17, 0x54), (18, 1)]
)
def test_a_field_out_of_its_bounds_is_no_frame(at: int, value: int) -> None:
    wrong = bytearray(GOOD)
    wrong[at] = value
    assert ld2410.parse(bytes(wrong)) is None


@given(
    st.binary(max_size=60)
    | st.binary(min_size=9, max_size=9).map(lambda b: GOOD[:8] + b + GOOD[17:])
)
def test_any_bytes_are_bounded_fields_or_none(data: bytes) -> None:
    found = ld2410.parse(data)
    if found is not None:
        state, moving, energy, still, still_energy, reach = found
        assert 0 <= state <= 3
        assert max(energy, still_energy) <= 100
        assert max(moving, still, reach) <= 1000


def test_who_is_there_is_polled_from_pieces() -> None:
    port = ScriptedPort()
    radar = ld2410.Ld2410(port)
    assert radar.poll(0) is None
    port.coming = b"\xf4\xf3" + GOOD[:9]
    assert radar.poll(50) is None
    port.coming = GOOD[9:]
    assert radar.poll(100) is True
    port.coming = bytes.fromhex("F4F3F2F10D0002AA0000000000003700005500F8F7F6F5")
    assert radar.poll(150) is False
    assert radar.rejected == 2


def test_a_radar_left_in_engineering_mode_is_told_to_report_plainly() -> None:
    port = ScriptedPort()
    radar = ld2410.Ld2410(port)
    steps = 0
    while radar.wake(steps):
        steps += 1
    # As an independent library reads them, and byte by byte the protocol's own examples.
    codes = [
        int(COMMAND.parse(COMMAND_FRAME.parse(port.said[at:]).data).code) for at in (0, 14, 26)
    ]
    assert codes == [
        CommandCode.CONFIG_ENABLE,
        CommandCode.ENGINEERING_DISABLE,
        CommandCode.CONFIG_DISABLE,
    ]
    assert port.said == bytes.fromhex(
        "FDFCFBFA0400FF00010004030201FDFCFBFA0200630004030201FDFCFBFA0200FE0004030201"
    )


def test_a_radar_that_hangs_with_somebody_there_is_suspect_until_it_changes() -> None:
    port = ScriptedPort()
    radar = ld2410.Ld2410(port)
    for _ in range(6000):
        port.coming = GOOD
        radar.poll(0)
    port.coming = GOOD
    assert (radar.poll(0), radar.suspect) == (False, True)
    port.coming = GOOD[:11] + b"\x05" + GOOD[12:]
    assert (radar.poll(0), radar.suspect) == (True, False)

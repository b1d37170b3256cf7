"""DALI on the wire: our waveform against python-dali, the standard's times, the gear's decoder."""

from itertools import pairwise
from random import Random

import pytest
from dali.address import GearBroadcast, GearShort
from dali.gear import general
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.lamp import dalibus, gear
from simulators.parts.dali import BIT_US, answer_edges, frames, levels

BROADCAST = GearBroadcast()
COMMANDS = {
    gear.OFF: general.Off,
    gear.RECALL_MAX_LEVEL: general.RecallMaxLevel,
    gear.QUERY_STATUS: general.QueryStatus,
    gear.QUERY_GEAR_PRESENT: general.QueryControlGearPresent,
    gear.QUERY_LAMP_FAILURE: general.QueryLampFailure,
    gear.QUERY_ACTUAL_LEVEL: general.QueryActualLevel,
    0xA3: general.QueryPowerOnLevel,
    0xA4: general.QuerySystemFailureLevel,
    0xA5: general.QueryFadeTimeFadeRate,
    0xA8: general.QueryExtendedFadeTime,
    0x2C: general.SetSystemFailureLevel,
    0x2D: general.SetPowerOnLevel,
    0x2E: general.SetFadeTime,
    0x30: general.SetExtendedFadeTime,
}


def manchester(bits: str) -> str:
    """Half bits of a frame by the standard's words: a 1 is low, high; a 0 is high, low."""
    return "".join({"1": "01", "0": "10"}[bit] for bit in "1" + bits)


def halves(lengths: list[int]) -> str:
    """Half bits of a transmission, each length to within 10 % of its half bits; idle follows."""
    out, level = "", 0
    for length in lengths:
        count = round(length / (BIT_US / 2))
        assert count in (1, 2)
        assert abs(length - count * BIT_US / 2) <= 1
        out += str(level) * count
        level ^= 1
    return out.ljust(34, "1")


@pytest.mark.parametrize("code", COMMANDS)
@pytest.mark.parametrize("address", [None, 0, 17, 63])
def test_commands_are_what_python_dali_makes_of_them(code: int, address: int | None) -> None:
    theirs = COMMANDS[code](BROADCAST if address is None else GearShort(address))
    byte = (0x7F if address is None else address) << 1 | 1
    assert theirs.frame.as_integer == byte << 8 | code
    setup = [gear._SETUP[at + 1] for at in range(0, len(gear._SETUP), 4)]  # pyright: ignore[reportPrivateUsage]
    assert theirs.sendtwice == (code in setup)


@given(st.integers(0, 0xFFFF))
def test_each_edge_of_a_forward_frame_is_where_the_standard_has_it(frame: int) -> None:
    lengths = dalibus.encode(frame)
    assert halves(lengths) == manchester(f"{frame:016b}")
    at = 0.0
    for length in lengths:
        at += length
        # Rounding does not add up: every edge is within a microsecond of its place.
        assert abs(at / (BIT_US / 2) - round(at / (BIT_US / 2))) < 1 / 416
    assert at <= dalibus.FORWARD_US


@given(st.integers(0, 0xFFFF))
def test_the_gears_own_decoder_reads_what_we_send(frame: int) -> None:
    found, faults = frames(levels(dalibus.encode(frame)))
    assert ([one.value for one in found], faults) == ([frame], [])


@given(st.integers(0, 0xFFFF))
def test_a_command_sent_twice_is_two_frames_settling_apart(frame: int) -> None:
    lengths = dalibus.encode(frame, True)
    found, faults = frames(levels(lengths))
    assert ([one.value for one in found], faults) == ([frame, frame], [])
    assert 13_500 <= found[1].begins - found[0].ends <= 75_000
    assert len(lengths) < 96  # of the 48 symbols of an RMT channel
    assert max(lengths) <= 32767


# IEC 62386-101, 8.2.1: what a receiver has to take for half a bit, and for two halves.
HALF_US = 334, 500
WHOLE_US = 667, 1000


@given(st.integers(0, 255), st.data())
def test_an_answer_is_read_whatever_a_receiver_has_to_take(value: int, data: st.DataObject) -> None:
    times = answer_edges(value, 0)
    edges = [0]
    for before, after in pairwise(times):
        bounds = HALF_US if after - before < BIT_US * 3 / 4 else WHOLE_US
        edges.append(edges[-1] + data.draw(st.integers(*bounds)))
    assert dalibus.decode(edges, len(edges)) == value


@given(st.integers(0, 255), st.floats(0.9, 1.1), st.integers(0, 2**32))
def test_an_answer_is_read_within_a_transmitters_tolerance_and_some_jitter(
    value: int, stretch: float, seed: int
) -> None:
    random = Random(seed)
    edges = [round(at + random.uniform(-40, 40)) for at in answer_edges(value, 0, stretch)]
    assert dalibus.decode(edges, len(edges)) == value


@given(st.integers(0, 255), st.data())
def test_an_answer_is_read_though_each_interrupt_is_late_by_up_to_a_fifth_of_a_millisecond(
    value: int, data: st.DataObject
) -> None:
    edges = [round(at) + data.draw(st.integers(0, 200)) for at in answer_edges(value, 0)]
    assert dalibus.decode(edges, len(edges)) == value


@given(st.integers(0, 255), st.data())
def test_spikes_on_the_line_do_not_change_an_answer(value: int, data: st.DataObject) -> None:
    edges = [round(at) for at in answer_edges(value, 0)]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(edges) - 2))
        begin = edges[at] + data.draw(st.integers(160, 250))
        if edges[at + 1] - begin > 160:
            edges[at + 1 : at + 1] = [begin, begin + data.draw(st.integers(1, 100))]
    assert dalibus.decode(edges, len(edges)) == value


@given(st.lists(st.integers(0, 30_000), max_size=100), st.sampled_from((8, 16)))
def test_any_edges_are_a_value_or_corrupt(edges: list[int], bits: int) -> None:
    edges.sort()
    found = dalibus.decode(edges, len(edges), bits)
    assert found == dalibus.CORRUPT or 0 <= found < 1 << bits


@given(st.integers(0, 255), st.integers(0, 255), st.integers(-300, 300))
def test_two_answers_at_once_never_raise(one: int, other: int, late: int) -> None:
    # Either pulls the bus low: what is seen is the lower of both.
    a = [round(at) for at in answer_edges(one, 400)]
    b = [round(at) for at in answer_edges(other, 400 + late)]
    times = sorted({*a, *b})

    def low(edges: list[int], at: int) -> bool:
        return sum(edge <= at for edge in edges) % 2 == 1

    edges: list[int] = []
    was = False
    for at in times:
        now = low(a, at) or low(b, at)
        if now != was:
            edges.append(at)
            was = now
    found = dalibus.decode(edges, len(edges))
    assert found == dalibus.CORRUPT or 0 <= found <= 255
    if one == other and not late:
        assert found == one


def test_half_a_frame_and_one_too_long_are_corrupt() -> None:
    whole = [round(at) for at in answer_edges(0x55, 0)]
    for size in range(1, len(whole)):
        assert dalibus.decode(whole[:size], size) == dalibus.CORRUPT
    sixteen = [0]
    for length in dalibus.encode(0x5555):
        sixteen.append(sixteen[-1] + length)
    assert dalibus.decode(sixteen, len(sixteen)) == dalibus.CORRUPT
    assert dalibus.decode(sixteen, len(sixteen), 16) == 0x5555
    assert dalibus.decode([], 0) == dalibus.CORRUPT


class Rmt:
    def __init__(self) -> None:
        self.sent: list[tuple[list[int], int]] = []

    def write_pulses(self, lengths: list[int], level: int) -> None:
        self.sent.append((lengths, level))

    def wait_done(self, *, timeout: int) -> bool:
        return True


class Rx:
    IRQ_RISING, IRQ_FALLING = 1, 2
    handler = None

    def irq(self, handler: object, trigger: int) -> None:
        assert trigger == 3
        self.handler = handler


class Ticks:
    now = 0

    @classmethod
    def ticks_us(cls) -> int:
        return cls.now

    @staticmethod
    def ticks_diff(later: int, earlier: int) -> int:
        return later - earlier


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> tuple[dalibus.Line, Rx]:
    monkeypatch.setattr(dalibus, "time", Ticks)
    rx = Rx()
    return dalibus.Line(Rmt(), rx), rx


def hear(rx: Rx, edges: list[float], began: int) -> None:
    handler = rx.handler
    assert callable(handler)
    for at in edges:
        Ticks.now = began + round(at)
        handler(rx)


def test_our_own_frame_is_told_from_the_answer_to_it(line: tuple[dalibus.Line, Rx]) -> None:
    bus, rx = line
    Ticks.now = 5000
    lengths = dalibus.encode(0xFF90)
    bus.send(lengths, True)
    echo = [at for at, _ in levels(lengths)]
    hear(rx, echo, 5000)
    assert bus.answer() is None
    hear(rx, answer_edges(0x04, echo[-1] + 7000), 5000)
    assert bus.answer() == 0x04
    bus.send(lengths, True)
    assert bus.answer() is None


def test_edges_without_end_are_corrupt_and_take_no_memory(line: tuple[dalibus.Line, Rx]) -> None:
    bus, rx = line
    bus.send(dalibus.encode(0xFF90), True)
    hear(rx, [20.0 * n for n in range(2000)], Ticks.now)
    assert bus.answer() in (None, dalibus.CORRUPT)
    bus.send(dalibus.encode(0xFFA0), False)
    assert rx.handler is None

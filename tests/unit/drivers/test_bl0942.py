import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers import bl0942
from tests.unit.drivers.wires import ScriptedPort


def packet(
    current: int, voltage: int, power: int, count: int, address: int = 0, head: int = 0x55
) -> bytes:
    fields = (current, voltage, current, power % (1 << 24), count)
    body = bytes((head,)) + b"".join(field.to_bytes(3, "little") for field in fields)
    body += b"\x20\x4e\x00\x00\x00\x00"
    return body + bytes((0xFF - (0x58 + address + sum(body)) % 256,))


def test_a_packet_reads_in_the_units_of_a_record() -> None:
    # 230 V, 0.2609 A, 60 W by the data sheet's formulas.
    counts = (round(0.2609 * 251213.46), round(230 * 15883.34), round(60 * 623.394))
    assert bl0942.parse(packet(*counts, 4711)) == (2300, 261, 600, 4711)


def test_a_shunt_the_other_way_round_reads_negative_power() -> None:
    reading = bl0942.parse(packet(0, 0, -round(60 * 623.394), 0))
    assert reading is not None
    assert reading[2] == -600


@pytest.mark.parametrize("address", [0, 1, 2, 3])
def test_a_meter_is_asked_and_checked_by_its_address(address: int) -> None:
    assert bl0942.command(address) == bytes((0x58 + address, 0xAA))
    assert bl0942.parse(packet(1, 2, 3, 4, address), address) is not None
    assert bl0942.parse(packet(1, 2, 3, 4, address), (address + 1) % 4) is None


@given(st.integers(0, 22), st.integers(1, 255), st.integers(0, (1 << 24) - 1))
def test_a_packet_with_one_byte_wrong_is_never_believed(at: int, flip: int, count: int) -> None:
    wrong = bytearray(packet(1000, 2000, 3000, count))
    wrong[at] ^= flip
    assert bl0942.parse(bytes(wrong)) is None


@given(st.binary(max_size=60))
def test_any_bytes_are_a_reading_or_none(data: bytes) -> None:
    reading = bl0942.parse(data)
    assert reading is None or (len(data) == 23 and data[0] == 0x55)


def test_a_reply_is_taken_whole_from_pieces_and_what_came_before_is_forgotten() -> None:
    port = ScriptedPort()
    meter = bl0942.Bl0942(port)
    port.coming = b"\x55 a reply too late"
    meter.ask()
    assert port.said == b"\x58\xaa"
    reply = packet(0, round(230 * 15883.34), 0, 9)
    for size in (1, 10, 11):
        port.coming, reply = reply[:size], reply[size:]
        assert meter.poll() is None
    port.coming = reply
    assert meter.poll() == (2300, 0, 0, 9)
    assert (meter.accepted, meter.rejected) == (1, 0)


def test_a_garbled_reply_is_counted_and_the_next_one_is_read() -> None:
    port = ScriptedPort()
    meter = bl0942.Bl0942(port)
    meter.ask()
    port.coming = bytes(23)
    assert meter.poll() is None
    assert meter.rejected == 1
    meter.ask()
    port.coming = packet(0, 0, 0, 5)
    assert meter.poll() == (0, 0, 0, 5)

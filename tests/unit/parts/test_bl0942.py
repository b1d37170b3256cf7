import math

import pytest

from simulators.parts import SteadySurroundings
from simulators.parts.bl0942 import Bl0942
from simulators.parts.luminaire import Luminaire


class Rig:
    def __init__(self, count: int = 0, address: int = 0) -> None:
        self.machine = 0.0
        self.street = 1_780_000_000.0
        self.world = SteadySurroundings()
        self.lamp = Luminaire(rated_watts=100)
        self.part = Bl0942(
            self.world,
            self.lamp,
            lambda: self.machine,
            lambda: self.street,
            address=address,
            count=count,
        )

    def ask(self, request: bytes = b"\x58\xaa") -> bytes:
        self.part.receive(request)
        assert self.part.pending(self.machine + 0.04) == b""  # still on the line
        self.machine += 0.06
        return self.part.pending(self.machine)


def decode(packet: bytes) -> tuple[float, float, float, int, float]:
    """(V, A, W, count, Hz): the data sheet's formulas turned round, written without the model."""
    assert len(packet) == 23
    assert packet[0] == 0x55
    assert (0x58 + sum(packet)) & 0xFF == 0xFF
    i_rms, v_rms, _, watt, count = (
        int.from_bytes(packet[at : at + 3], "little") for at in range(1, 16, 3)
    )
    if watt >> 23:
        watt -= 1 << 24
    volts = v_rms * 1.218 * (5 * 390 + 0.51) / (73989 * 0.51 * 1000)
    amperes = i_rms * 1.218 / (305978 * 1)
    watts = watt * 1.218**2 * (5 * 390 + 0.51) / (3537 * 1 * 0.51 * 1000)
    return volts, amperes, watts, count, 1e6 / int.from_bytes(packet[16:18], "little")


def test_a_packet_decodes_by_the_data_sheet_to_what_the_lamp_draws() -> None:
    rig = Rig()
    volts, amperes, watts, count, hertz = decode(rig.ask())
    assert volts == pytest.approx(230, abs=0.01)
    assert watts == pytest.approx(100, abs=0.01)
    assert amperes == pytest.approx(100 / 230 / 0.95, abs=0.0001)
    assert (count, hertz) == (0, 50)


def test_energy_adds_up_in_street_time() -> None:
    rig = Rig()
    rig.street += 36_000
    _, _, _, count, _ = decode(rig.ask())
    # One count is 1638.4 * 256 / WATT seconds; WATT of 100 W is 62,339.
    assert count == pytest.approx(36_000 / (1638.4 * 256 / 62_339.4), abs=1)


def test_the_energy_counter_wraps_at_24_bits() -> None:
    rig = Rig(count=(1 << 24) - 10)
    rig.street += 3600 * 2
    assert decode(rig.ask())[3] < 1100


def test_after_a_brown_out_it_counts_from_nothing() -> None:
    rig = Rig(count=50_000)
    rig.part.brown_out()
    assert decode(rig.ask())[3] == 0


def test_without_mains_it_is_silent_and_forgets() -> None:
    rig = Rig(count=50_000)
    rig.world.volts = 0
    assert rig.ask() == b""
    rig.part.integrate()
    rig.world.volts = 230
    assert decode(rig.ask())[3] == 0


def test_a_meter_answers_its_own_address_and_no_garbage() -> None:
    rig = Rig(address=1)
    assert rig.ask() == b""
    assert rig.ask(b"\x00\xff\x59\xaa") != b""
    assert rig.ask(b"\x59\x03") == b""
    assert math.isinf(rig.part.due())


def test_a_register_write_is_taken_and_not_answered() -> None:
    rig = Rig()
    assert rig.ask(bytes((0xA8, 0x1D, 0x58, 0xAA, 0x00, 0x88))) == b""
    assert rig.ask() != b""

import pytest

from simulators.parts import NoAcknowledge, SteadySurroundings, Walker
from simulators.parts.vl53l1x import Vl53l1x, nearest, roi_columns, spad_column

LEFT, RIGHT = roi_columns(167, 8), roi_columns(231, 8)


class Rig:
    def __init__(self) -> None:
        self.now = 0.0
        self.world = SteadySurroundings()
        self.part = Vl53l1x(self.world, lambda: self.now)

    def write(self, register: int, *data: int) -> None:
        self.part.write(register.to_bytes(2, "big") + bytes(data))

    def read(self, register: int, size: int = 1) -> bytes:
        self.part.write(register.to_bytes(2, "big"))
        return self.part.read(size)

    def configure(self) -> None:
        """As much of ST's sequence as the model's ranging depends on, at 33 ms."""
        self.write(0x30, 0x01)
        self.write(0x5E, 0x00, 0x60)
        self.write(0x6C, 0x00, 0x00, 0x64, 0x00)
        self.write(0x80, 0xF7)

    def distance(self, centre: int) -> tuple[int, int]:
        """(device's own status, mm)."""
        self.write(0x7F, centre)
        self.write(0x86, 1, 0x40)
        assert self.read(0x31)[0] & 1 == 0
        self.now += 0.036
        assert self.read(0x31)[0] & 1 == 1
        block = self.read(0x89, 17)
        self.write(0x87, 0)
        return block[0] & 0x1F, int.from_bytes(block[13:15], "big")


def test_spads_are_numbered_as_in_um2555() -> None:
    # Corners of the array, and the optical centre 199 right of its middle.
    assert [spad_column(number) for number in (128, 248, 127, 7, 120, 0)] == [0, 15, 0, 15, 0, 15]
    assert spad_column(199) == 8
    assert list(LEFT) == list(range(8))
    assert list(RIGHT) == list(range(8, 16))
    assert list(roi_columns(199, 16)) == list(range(16))


def test_it_says_who_it_is_once_booted() -> None:
    rig = Rig()
    assert rig.read(0xE5) == b"\0"
    rig.now = 0.01
    assert rig.read(0xE5)[0] & 1
    assert rig.read(0x010F, 2) == b"\xea\xcc"


def test_unconfigured_it_never_ranges() -> None:
    rig = Rig()
    rig.write(0x30, 0x01)
    rig.write(0x87, 0x40)
    rig.now = 10
    assert rig.read(0x31)[0] & 1 == 0


def test_an_empty_pavement_is_as_far_as_it_is() -> None:
    rig = Rig()
    rig.configure()
    for centre in (167, 231):
        status, distance = rig.distance(centre)
        assert status == 9
        assert 3000 <= distance < 3060


def test_each_zone_sees_its_side() -> None:
    rig = Rig()
    rig.configure()
    rig.world.people = [Walker(-250, 1700)]
    assert 1290 < rig.distance(167)[1] < 1400
    assert rig.distance(231)[1] > 2500
    rig.world.people = [Walker(250, 1700)]
    assert rig.distance(167)[1] > 2500
    assert 1290 < rig.distance(231)[1] < 1400
    rig.world.people = [Walker(0, 1700)]
    assert max(rig.distance(167)[1], rig.distance(231)[1]) < 1400


def test_a_walk_covers_none_one_both_other_none() -> None:
    states: list[tuple[bool, bool]] = []
    for position in range(-1500, 1500, 20):
        walkers = [Walker(position, 1700)]
        state = tuple(nearest(3000, zone, walkers)[0] < 2400 for zone in (LEFT, RIGHT))
        if not states or states[-1] != state:
            states.append((state[0], state[1]))
    assert states == [
        (False, False),
        (True, False),
        (True, True),
        (False, True),
        (False, False),
    ]


def test_feet_at_the_edge_are_seen_far_below_the_head() -> None:
    distance, _ = nearest(3000, RIGHT, [Walker(600, 1700)])
    assert 2600 < distance < 3050


def test_it_ranges_on_until_stopped_and_keeps_a_result_until_cleared() -> None:
    rig = Rig()
    rig.configure()
    rig.write(0x7F, 167)
    rig.write(0x86, 1, 0x40)
    rig.now += 0.04
    first = rig.read(0x89, 17)
    rig.world.people = [Walker(-100, 1700)]
    rig.now += 0.2
    assert rig.read(0x89, 17) == first
    rig.write(0x86, 1)
    rig.now += 0.2
    assert rig.read(0x89, 17) != first
    rig.write(0x87, 0)
    rig.write(0x86, 1)
    rig.now += 1
    assert rig.read(0x31)[0] & 1 == 0


def test_too_far_a_pavement_gives_no_valid_result() -> None:
    rig = Rig()
    rig.part = Vl53l1x(rig.world, lambda: rig.now, height_mm=4500)
    rig.configure()
    assert rig.distance(167)[0] != 9


def test_a_brown_out_forgets_the_configuration() -> None:
    rig = Rig()
    rig.configure()
    rig.part.brown_out()
    assert rig.read(0x7F, 2) == b"\xc7\xff"
    assert rig.read(0x5E, 2) == b"\0\0"


def test_absent_it_does_not_acknowledge() -> None:
    rig = Rig()
    rig.part.absent = True
    with pytest.raises(NoAcknowledge, match="0x29"):
        rig.part.write(b"\x01\x0f")
    with pytest.raises(NoAcknowledge):
        rig.part.read(2)


@pytest.mark.parametrize("data", [b"", b"\x01", b"\xff\xff\x01\x02", b"\x01\xff" + bytes(10)])
def test_odd_transactions_harm_nothing(data: bytes) -> None:
    rig = Rig()
    rig.part.write(data)
    assert len(rig.part.read(40)) == 40
    assert rig.read(0x010F, 2) == b"\xea\xcc"

"""The factory makes the same lampposts for the same seed, and writes what gateways read."""

import tomllib
from pathlib import Path

import pytest

from firmware.build.image import inspect
from firmware.build.keys import load_public_key
from simulators.clock import SimClock
from simulators.factory import BOARD, Factory, provision
from simulators.flash import FLASH_SIZE, make_flash


def test_lampposts_are_the_same_for_a_seed_and_all_different() -> None:
    first, again, other = provision(247, 5), provision(247, 5), provision(247, 6)
    assert first == again
    assert {who.node for who in first}.isdisjoint(who.node for who in other)
    assert len({who.node for who in first}) == len({who.key for who in first}) == 247
    assert [who.address for who in first] == list(range(1, 248))


def test_a_key_does_not_show_when_a_lamppost_is_printed() -> None:
    who = provision(1)[0]
    assert who.key.hex() not in repr(who)
    assert repr(who.key) not in repr(who)


@pytest.mark.parametrize("count", [0, 248, -1])
def test_a_bus_has_no_room_for_so_many(count: int) -> None:
    with pytest.raises(ValueError, match=f"expected 1..247 on one bus, got {count}"):
        provision(count)


def test_sections_for_the_gateway_are_toml() -> None:
    who = provision(1)[0]
    clock = SimClock.start(1_780_000_000, 340)
    read = tomllib.loads(clock.gateway_section() + "\n" + who.gateway_section("a-bus"))
    assert read["clock"] == {
        "source": "simulated",
        "real_origin": clock.real_origin_ns,
        "street_origin": 1_780_000_000,
        "speed": 340.0,
    }
    assert read["lamppost"] == [
        {
            "id": who.node,
            "name": who.name,
            "bus": "a-bus",
            "address": 1,
            "key": who.key.hex(),
            "key_id": 1,
        }
    ]


def test_made_flashes_differ_and_are_kept_when_made_again(tmp_path: Path) -> None:
    factory = Factory(tmp_path)
    who = provision(2)
    factory.make(who[:1])
    flash = factory.files_of(who[0]).flash
    flash.write_bytes(flash.read_bytes()[:-1] + b"\x00")  # the node has lived on it
    before = flash.read_bytes()
    factory.make(who)
    assert flash.read_bytes() == before
    other = factory.files_of(who[1]).flash.read_bytes()
    assert len(other) == FLASH_SIZE
    assert other != before
    assert b"bootstage" in factory.rom.read_bytes()


def test_a_release_is_signed_with_the_key_the_lampposts_trust(tmp_path: Path) -> None:
    factory = Factory(tmp_path)
    release = factory.release("3.2.1", security_counter=4)
    info = inspect(release, load_public_key(factory.release_key_file))
    assert (info.version, info.board, info.security_counter) == ("3.2.1", BOARD, 4)
    assert info.verified


@pytest.mark.parametrize("speed", [0, -1, 1e6, float("nan")])
def test_an_impossible_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed: expected"):
        SimClock.start(speed=speed)


def test_a_clock_runs_at_its_speed_from_its_origin() -> None:
    clock = SimClock.start(1_780_000_000, 1000)
    first = clock.street()
    assert 1_780_000_000 <= first < 1_780_000_000 + 60_000
    assert clock.environment() == f"{clock.real_origin_ns}:1780000000:1000.000"


def test_flash_is_whole_blocks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected whole blocks of 4096 bytes, got 5000"):
        make_flash(tmp_path / "flash", size=5000)
    with pytest.raises(ValueError, match="expected at most 4096 bytes, got 5000"):
        make_flash(tmp_path / "flash", bytes(5000), size=4096)
    make_flash(tmp_path / "flash", b"\x00", size=8192)
    assert (tmp_path / "flash").read_bytes() == b"\x00" + b"\xff" * 8191

"""Factory flash: a littlefs with the application, confirmed, and one node's identity."""

import json
from typing import Any

import pytest
from littlefs import LittleFS, UserContext

from firmware.bootstage import slotfile, slotstate
from firmware.build import (
    FLASH_SIZE,
    BuildError,
    PrivateKey,
    base_image,
    inspect,
    sign,
    with_identity,
)
from firmware.build.image import wrap
from firmware.build.payload import romfs
from firmware.node import identity as identity_file

FILES = {"node/app.mpy": b"M\x06\x00\x1f" + bytes(900), "protocol/cbor.mpy": b"M\x06\x00\x1fx"}


@pytest.fixture(scope="module")
def signed(key: PrivateKey) -> bytes:
    return sign(wrap(romfs(FILES), "1.2.3", "esp32s3-ref", 7), key)


def identity(key: PrivateKey, address: int) -> dict[str, Any]:
    return {
        "id": bytes((0xA0, 0, 0, 0, 0, address)),
        "board": "esp32s3-ref",
        "address": address,
        "keys": {1: bytes([address] * 16)},
        "release_key": key.modulus,
    }


def mounted(flash: bytes) -> LittleFS:
    context = UserContext(len(flash))
    context.buffer[:] = flash
    filesystem = LittleFS(context=context, mount=False, block_size=4096, block_count=0)
    filesystem.mount()
    return filesystem


def read(filesystem: LittleFS, path: str) -> bytes:
    with filesystem.open(path, "rb") as file:
        return file.read()


def test_flash_holds_the_application_confirmed_in_slot_0(key: PrivateKey, signed: bytes) -> None:
    made = with_identity(base_image(signed), identity(key, 5))
    assert len(made.flash) == FLASH_SIZE
    filesystem = mounted(made.flash)
    for name, data in FILES.items():
        assert read(filesystem, f"/slot0/{name}") == data
    with filesystem.open("/slot0/slot.json", "rb") as file:
        head = slotfile.read_head(file)
        listed = [slotfile.read_entry(file) for _ in FILES]
        assert slotfile.read_entry(file) is None
    info = inspect(signed)
    assert head["hash"] == info.image_hash.hex()
    assert head["upload"] == info.file_sha256.hex()
    assert [entry[0] for entry in listed if entry] == sorted(FILES)
    state = slotstate.validated(json.loads(read(filesystem, "/boot.json")))
    assert state == slotstate.fresh(0, 7)
    assert read(filesystem, "/identity.cbor") == made.identity
    assert identity_file.decode(made.identity) == identity(key, 5)


def test_nodes_share_the_base_and_differ_in_identity(key: PrivateKey, signed: bytes) -> None:
    base = base_image(signed, 64 * 4096)
    before = bytes(base)
    made = [with_identity(base, identity(key, address)) for address in (1, 2)]
    assert base == before
    assert made[0].flash != made[1].flash
    for address, flash in zip((1, 2), made, strict=True):
        assert identity_file.decode(read(mounted(flash.flash), "/identity.cbor"))["address"] == (
            address
        )


def test_flash_that_is_too_small_or_no_flash_is_an_error(key: PrivateKey, signed: bytes) -> None:
    with pytest.raises(BuildError, match="cannot be written"):
        base_image(signed, 4 * 4096)
    with pytest.raises(BuildError, match="whole blocks"):
        base_image(signed, 5000)
    with pytest.raises(BuildError, match="expected a littlefs image"):
        with_identity(bytes(64 * 4096), identity(key, 1))


def test_image_that_is_none_is_an_error() -> None:
    with pytest.raises(BuildError):
        base_image(b"nothing")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", b"short"),
        ("board", ""),
        ("address", 0),
        ("address", 248),
        ("keys", {}),
        ("keys", {0: bytes(16)}),
        ("keys", {1: bytes(15)}),
        ("release_key", bytes(384)),
        ("release_key", b"\xff"),
    ],
)
def test_identity_outside_its_bounds_is_an_error(
    key: PrivateKey, signed: bytes, field: str, value: Any
) -> None:
    with pytest.raises(BuildError, match=field[:3]):
        with_identity(base_image(signed, 64 * 4096), {**identity(key, 1), field: value})

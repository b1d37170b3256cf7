"""A node's identity: whole or refused, with its keys never shown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.bootstage.store import intact
from firmware.node.identity import IdentityError, decode, encode

IDENTITY: dict[str, Any] = {
    "id": bytes.fromhex("a0b1c2d3e4f5"),
    "board": "esp32s3-ref",
    "address": 7,
    "keys": {1: b"sixteen secret b", 9: bytes(16)},
    "release_key": b"\xc5" * 384,
}


def test_identity_survives_its_file_and_the_boot_stage_finds_it_intact() -> None:
    data = encode(IDENTITY)
    assert decode(data) == IDENTITY
    assert intact(data)


def test_no_flipped_bit_passes() -> None:
    data = encode(IDENTITY)
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        assert not intact(bytes(damaged))
        with pytest.raises(IdentityError):
            decode(bytes(damaged))


@given(st.binary(max_size=1200))
def test_any_bytes_end_in_one_kind_of_error(data: bytes) -> None:
    with pytest.raises(IdentityError):
        decode(data)


def test_error_about_a_key_does_not_show_it() -> None:
    with pytest.raises(IdentityError) as error:
        encode({**IDENTITY, "keys": {1: b"sixteen secret"}})
    assert "secret" not in str(error.value)

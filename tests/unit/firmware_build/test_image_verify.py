"""The node's verification against images made by imgtool, and every kind of damage."""

import asyncio
import hashlib
import io
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.build import PrivateKey, sign
from firmware.build.image import wrap
from firmware.build.payload import deflated, romfs
from firmware.node.update import pss, refusal
from firmware.node.update.image import ImageInfo, verify
from firmware.node.update.refusal import Refused
from protocol import image as layout

BOARD = "esp32s3-ref"
PLAIN = romfs({"node/app.mpy": b"M\x06\x00\x1f" + bytes(range(200))})


def check(data: bytes, key: PrivateKey, counter: int = 0, sha: bytes | None = None) -> ImageInfo:
    return asyncio.run(verify(io.BytesIO(data), len(data), key.modulus, BOARD, counter, sha))


@pytest.fixture(scope="module")
def signed(key: PrivateKey) -> bytes:
    return sign(wrap(PLAIN, "1.2.3", BOARD, 5), key)


@pytest.fixture(scope="module")
def by_imgtool(key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The same image by imgtool's own command line."""
    folder = tmp_path_factory.mktemp("imgtool")
    (folder / "payload").write_bytes(deflated(PLAIN))
    described = layout.payload_description(len(PLAIN), hashlib.sha256(PLAIN).digest())
    subprocess.run(
        [
            *(sys.executable, "-m", "imgtool.main", "sign", "--key", str(key_file)),
            *("--version", "1.2.3", "--header-size", "32", "--pad-header"),
            *("--security-counter", "5", "--slot-size", "0x40000", "--align", "1"),
            *("--custom-tlv", hex(layout.TLV_BOARD), BOARD),
            *("--custom-tlv", hex(layout.TLV_PAYLOAD), "0x" + described.hex()),
            *(str(folder / "payload"), str(folder / "image")),
        ],
        check=True,
        capture_output=True,
    )
    return (folder / "image").read_bytes()


def test_image_of_imgtools_command_line_is_taken(by_imgtool: bytes, key: PrivateKey) -> None:
    info = check(by_imgtool, key, counter=5, sha=hashlib.sha256(by_imgtool).digest())
    assert (info.version_text, info.security_counter, info.board) == ("1.2.3", 5, BOARD)
    assert (info.inflated_size, info.inflated_sha) == (
        len(PLAIN),
        hashlib.sha256(PLAIN).digest(),
    )
    payload = by_imgtool[info.payload_offset : info.payload_offset + info.payload_size]
    assert payload == deflated(PLAIN)


def test_builder_makes_what_imgtool_makes(by_imgtool: bytes, signed: bytes) -> None:
    assert signed[:-384] == by_imgtool[:-384], "all but the salted signature is the same"


def test_imgtool_verifies_what_the_builder_signs(
    signed: bytes, key_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "image").write_bytes(signed)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "imgtool.main", "verify"),
            *("-k", str(key_file), str(tmp_path / "image")),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Image was correctly validated" in done.stdout


def test_no_flipped_bit_passes(signed: bytes, key: PrivateKey) -> None:
    for at in range(len(signed)):
        damaged = bytearray(signed)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(Refused):
            check(bytes(damaged), key)


def test_no_truncation_passes(signed: bytes, key: PrivateKey) -> None:
    for length in range(len(signed)):
        with pytest.raises(Refused):
            check(signed[:length], key)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_any_bytes_end_in_refusal_with_a_known_code(
    data: st.DataObject, signed: bytes, key: PrivateKey
) -> None:
    head = struct.pack(
        "<IIHHIIBBHII",
        layout.MAGIC,
        0,
        data.draw(st.integers(0, 65535)),
        data.draw(st.integers(0, 65535)),
        data.draw(st.integers(0, 2**32 - 1)),
        *([0] * 6),
    )
    rest = data.draw(st.binary(max_size=300))
    with pytest.raises(Refused) as refused:
        check(head + rest, key)
    assert refused.value.rc in range(1, 34)
    assert refused.value.text


def test_refusals_tell_what_is_wrong(signed: bytes, key: PrivateKey, stranger: PrivateKey) -> None:
    cases = {
        refusal.KEY: (sign(signed, stranger), 0, None),
        refusal.BOARD: (sign(wrap(PLAIN, "1.2.3", "other", 5), key), 0, None),
        refusal.SECURITY_COUNTER: (signed, 6, None),
        refusal.UPLOAD_HASH: (signed, 0, bytes(32)),
        refusal.SIGNATURE: (signed[:-384] + stranger.sign(signed[:-428]), 0, None),
        refusal.HASH: (signed[:40] + b"\0" + signed[41:], 0, None),
        refusal.TRUNCATED: (signed[:100], 0, None),
        refusal.MAGIC: (b"\0" + signed[1:], 0, None),
        refusal.TOO_LARGE: (signed + bytes(300_000), 0, None),
    }
    texts: set[str] = set()
    for code, (data, counter, sha) in cases.items():
        with pytest.raises(Refused) as refused:
            check(data, key, counter, sha)
        assert refused.value.code == code, refused.value.text
        texts.add(refused.value.text)
    assert len(texts) == len(cases)


def test_signature_of_another_digest_or_key_does_not_fit(
    key: PrivateKey, stranger: PrivateKey
) -> None:
    data = b"release"
    digest = hashlib.sha256(data).digest()
    signature = key.sign(data)
    assert pss.verify(key.modulus, digest, signature)
    assert not pss.verify(stranger.modulus, digest, signature)
    assert not pss.verify(key.modulus, hashlib.sha256(b"other").digest(), signature)
    assert not pss.verify(key.modulus, digest, signature[:-1])
    assert not pss.verify(key.modulus, digest, b"\xff" * 384), "not below the modulus"
    assert not pss.verify(key.modulus, digest, bytes(384))
    assert pss.key_hash(key.modulus) == key.key_hash

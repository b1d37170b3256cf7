"""Releases: reproducible, bounded, signed by keys that nobody else can read."""

import hashlib
import stat
import zlib
from pathlib import Path

import pytest

from firmware.build import (
    BuildError,
    PrivateKey,
    build_unsigned,
    generate_key,
    inspect,
    load_key,
    load_public_key,
    sign,
)
from firmware.build.__main__ import main
from firmware.build.image import romfs_of, wrap
from firmware.build.payload import compiled, deflated, inflated, romfs, sources

BOARD = "esp32s3-ref"


def test_same_sources_make_the_same_bytes() -> None:
    first = build_unsigned("1.2.3", BOARD, 4)
    compiled.cache_clear()
    assert build_unsigned("1.2.3", BOARD, 4) == first
    assert build_unsigned("1.2.4", BOARD, 4) != first


def test_bytecode_does_not_tell_where_it_was_built() -> None:
    image = compiled("node/app.py", b"def f():\n    raise ValueError(1)\n")
    assert b"node.app" in image
    assert b"/tmp" not in image


def test_payload_holds_both_packages_and_the_version() -> None:
    found = sources((1, 2, 3))
    assert {"node/__init__.py", "protocol/image.py", "node/update/manager.py"} <= set(found)
    assert b"(1, 2, 3)" in found["node/version.py"]
    assert list(found) == sorted(found)


def test_overlay_replaces_and_adds_files(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "identity.py").write_text("DEAF = True\n")
    (tmp_path / "node" / "extra.py").write_text("X = 1\n")
    found = sources((1, 0, 0), tmp_path)
    assert found["node/identity.py"] == b"DEAF = True\n"
    assert found["node/extra.py"] == b"X = 1\n"
    changed = build_unsigned("1.0.0", BOARD, 1, tmp_path)
    assert changed != build_unsigned("1.0.0", BOARD, 1)


def test_a_release_carries_the_self_test_that_was_asked_for(key: PrivateKey) -> None:
    """In the file that the node reads it from, as it is after all that the build does to it."""
    for asked, other in (("lamp,log,link", "lamp,log,bus"), ("lamp,log,bus", "lamp,log,link")):
        signed = sign(build_unsigned("1.2.3", BOARD, 1, None, asked), key)
        version = compiled("node/version.py", sources((1, 2, 3), None, asked)["node/version.py"])
        image, _ = romfs_of(signed)
        assert asked.encode() in version
        assert version in image
        assert other.encode() not in version
    with pytest.raises(BuildError, match="for the self-test, got 'toaster'"):
        build_unsigned("1.2.3", BOARD, 1, None, "lamp,toaster")


def test_a_release_drives_the_pins_of_its_board(key: PrivateKey) -> None:
    for board in ("esp32-wroom", "esp32-wrover", BOARD):
        pins = sources((1, 2, 3), board=board)["node/pins.py"]
        assert f'BOARD = "{board}"'.encode() in pins
    image, _ = romfs_of(sign(build_unsigned("1.2.3", "esp32-wroom", 1), key))
    assert b"esp32-wroom" in image
    assert BOARD.encode() not in image


def test_a_board_without_pins_is_an_error_unless_they_are_laid_over(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"expected a board of esp32-wroom, .*got 'mine'"):
        sources((1, 2, 3), board="mine")
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "pins.py").write_text("LAMP_RELAY = 1\n")
    assert sources((1, 2, 3), tmp_path, board="mine")["node/pins.py"] == b"LAMP_RELAY = 1\n"
    laid = sources((1, 2, 3), tmp_path, board=BOARD)
    assert laid["node/pins.py"] == b"LAMP_RELAY = 1\n"


@pytest.mark.parametrize("name", ["bootstage/boot.py", "app.py"])
def test_overlay_of_anything_else_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    with pytest.raises(BuildError, match="expected only node/ and protocol/"):
        sources((1, 0, 0), tmp_path)


def test_empty_or_missing_overlay_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"no \.py file"):
        sources((1, 0, 0), tmp_path)
    with pytest.raises(BuildError, match="expected a folder"):
        sources((1, 0, 0), tmp_path / "none")


def test_source_that_does_not_compile_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "broken.py").write_text("x = 1\nif\n")
    with pytest.raises(BuildError, match=r"node/broken\.py.*line 2"):
        build_unsigned("1.0.0", BOARD, 1, tmp_path)


@pytest.mark.parametrize("version", ["1", "1.2", "1.2.3+4", "256.0.0", "1.2.70000", "x", ""])
def test_version_outside_its_bounds_is_refused(version: str) -> None:
    with pytest.raises(BuildError, match="expected a version"):
        build_unsigned(version, BOARD, 1)


@pytest.mark.parametrize(
    ("board", "counter", "text"),
    [("", 1, "board"), ("x" * 33, 1, "board"), ("b", -1, "counter"), ("b", 1 << 31, "counter")],
)
def test_board_and_security_counter_are_bounded(board: str, counter: int, text: str) -> None:
    with pytest.raises(BuildError, match=text):
        wrap(romfs({"node/app.mpy": b"data"}), "1.0.0", board, counter)


def test_payload_that_no_node_takes_is_refused() -> None:
    with pytest.raises(BuildError, match="a node takes at most"):
        romfs({"node/app.mpy": bytes(400_000)})
    with pytest.raises(BuildError, match="a node takes at most"):
        romfs({f"node/m{index}.mpy": b"data" for index in range(200)})


def test_inspection_tells_what_was_signed(key: PrivateKey, stranger: PrivateKey) -> None:
    plain = romfs({"node/app.mpy": b"data"})
    unsigned = wrap(plain, "1.2.3", BOARD, 7)
    signed = sign(unsigned, key)
    info = inspect(signed, key)
    assert (info.version, info.board, info.security_counter) == ("1.2.3", BOARD, 7)
    assert info.image_hash == hashlib.sha256(unsigned).digest()
    assert info.file_sha256 == hashlib.sha256(signed).digest()
    assert (info.size, info.inflated_size) == (len(signed), len(plain))
    assert info.verified is True
    assert inspect(signed, stranger).verified is False
    assert inspect(signed).verified is None
    assert inspect(unsigned, key).verified is False
    assert inspect(unsigned).key_hash is None
    assert romfs_of(signed)[0] == plain


def test_inspection_of_damaged_bytes_is_an_error(key: PrivateKey) -> None:
    signed = sign(wrap(romfs({"node/app.mpy": b"data"}), "1.2.3", BOARD, 7), key)
    for length in range(0, len(signed) - 1, 3):
        data = signed[:length]
        try:
            assert inspect(data, key).verified is False
        except BuildError:
            continue
    with pytest.raises(BuildError, match="damaged"):
        inspect(signed[:40] + b"\xff" + signed[41:])


def test_signing_again_replaces_the_signature(key: PrivateKey, stranger: PrivateKey) -> None:
    signed = sign(wrap(romfs({"node/app.mpy": b"data"}), "1.2.3", BOARD, 7), stranger)
    again = sign(signed, key)
    assert len(again) == len(signed)
    assert inspect(again, key).verified is True


def test_deflate_window_is_the_one_a_node_can_afford() -> None:
    plain = bytes(range(256)) * 40
    packed = deflated(plain)
    assert inflated(packed, len(plain)) == plain
    assert zlib.decompressobj(-10).decompress(packed) == plain
    with pytest.raises(BuildError, match="inflated"):
        inflated(b"\xff" * 40, 100)


def test_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "release.pem"
    key = generate_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path).modulus == key.modulus
    with pytest.raises(BuildError, match="is there already"):
        generate_key(path)
    path.chmod(0o640)
    with pytest.raises(BuildError, match="chmod 600"):
        load_key(path)
    assert load_public_key(path).modulus == key.modulus


def test_public_key_verifies_and_does_not_sign(key: PrivateKey, tmp_path: Path) -> None:
    path = tmp_path / "public.pem"
    key.write_public(path)
    assert load_public_key(path).modulus == key.modulus
    with pytest.raises(BuildError, match="needs the private one"):
        load_key(path)


def test_file_that_is_no_key_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("no key")
    with pytest.raises(BuildError, match="expected an RSA-3072 key"):
        load_key(path)
    with pytest.raises(BuildError, match="expected an RSA-3072 key"):
        load_key(tmp_path / "none")


def test_command_line_writes_a_signed_image(
    key_file: Path, key: PrivateKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "release.img"
    code = main(
        ["--version", "1.2.3", "--key", str(key_file), "--out", str(out), "--security-counter", "9"]
    )
    assert code == 0
    info = inspect(out.read_bytes(), key)
    assert (info.version, info.board, info.security_counter) == ("1.2.3", BOARD, 9)
    assert info.verified is True
    assert info.image_hash.hex() in capsys.readouterr().out


def test_command_line_says_in_one_line_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        ["--version", "1.2.3", "--key", str(tmp_path / "none"), "--out", str(tmp_path / "x")]
    )
    said = capsys.readouterr()
    assert code == 1
    assert said.err.startswith("firmware.build: expected an RSA-3072 key in")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--delta-from", "none"], "firmware.build: none cannot be read: No such file"),
        (["--delta-from", "text"], "firmware.build: text: image"),
        (["--version", "abc"], "firmware.build: expected a version such as 1.2.3"),
    ],
)
def test_a_command_line_that_fails_leaves_neither_image_nor_key(
    tmp_path: Path,
    change: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("no image, though it is longer than the header of one")
    given = ["--version", "1.2.3", "--key", "new.pem", "--generate-key", "--out", "x.img"]
    assert main([*given, *change]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(told)
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_wrong_usage_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--key", "new.pem", "--out", "x.img"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "firmware.build: expected one of --version and --to. See: python -m firmware.build --help\n"
    )

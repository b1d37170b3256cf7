"""What a lamppost is flashed with: right for its board, its key told only to its gateway."""

import json
import re
import stat
import tomllib
from pathlib import Path

import pytest
from littlefs import LittleFS, UserContext

from firmware.build import PrivateKey, sign
from firmware.build.bootfiles import stock_files
from firmware.build.image import BOOT_STAGE_BLOCKS, wrap
from firmware.build.layouts import LAYOUTS
from firmware.build.payload import romfs
from firmware.build.provision import main
from firmware.node import identity as identity_file
from gateway.adoption.label import parse
from gateway.config import load
from protocol import configuration

FIRMWARE = Path(__file__).resolve().parents[3] / "firmware"
NODE = "a0b1c2d3e4f5"
KEY = "000102030405060708090a0b0c0d0e0f"


@pytest.fixture(scope="module")
def releases(key: PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("releases")
    key.write_public(folder / "release.pub")
    for board in LAYOUTS:
        image = sign(wrap(romfs({"node/app.mpy": bytes(5000)}), "1.2.3", board, 1), key)
        (folder / f"{board}.img").write_bytes(image)
    return folder


def words(releases: Path, out: Path, board: str = "esp32-wroom") -> list[str]:
    return [
        "--release", str(releases / f"{board}.img"), "--release-key", str(releases / "release.pub"),
        "--board", board, "--id", NODE, "--name", "high-street-12", "--address", "12",
        "--out", str(out),
    ]  # fmt: skip


def mounted(flash: bytes) -> LittleFS:
    context = UserContext(len(flash))
    context.buffer[:] = flash
    filesystem = LittleFS(context=context, mount=False, block_size=4096, block_count=0)
    filesystem.mount()
    return filesystem


def read(filesystem: LittleFS, path: str) -> bytes:
    with filesystem.open(path, "rb") as file:
        return file.read()


@pytest.mark.parametrize("board", LAYOUTS)
def test_stock_flash_has_the_size_that_stock_micropython_gives_the_board(
    releases: Path, tmp_path: Path, board: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(releases, tmp_path / "post", board)) == 0
    layout = LAYOUTS[board]
    flash = (tmp_path / "post" / "flash.bin").read_bytes()
    assert len(flash) == layout.stock_vfs.size == layout.flash - 0x200000
    filesystem = mounted(flash)
    for path, data in stock_files(board).items():
        assert read(filesystem, path) == data
    pins = (FIRMWARE / "boards" / f"{board}.py").read_text()
    dimming = re.search(r"^LAMP_DIMMING = (\d+)", pins, re.MULTILINE)
    assert dimming
    lamp_pins = (FIRMWARE / "custom" / board / "lamp_pins.py").read_text()
    assert f"LAMP_DIMMING = {dimming[1]}\n" in lamp_pins
    said = capsys.readouterr().out
    assert f"--chip {layout.chip} " in said
    assert f"write-flash 0x{layout.bootloader:x} {layout.stock}.bin" in said
    assert f"write-flash 0x200000 {tmp_path}/post/flash.bin" in said
    assert f"({layout.stock_vfs.offset}, {layout.stock_vfs.size})" in said


@pytest.mark.parametrize("board", LAYOUTS)
def test_custom_flash_has_the_application_in_the_other_partition(
    releases: Path, tmp_path: Path, board: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words(releases, tmp_path / "post", board), "--way", "custom"]) == 0
    layout = LAYOUTS[board]
    flash = (tmp_path / "post" / "flash.bin").read_bytes()
    slots = (tmp_path / "post" / "romfs.bin").read_bytes()
    assert (len(flash), len(slots)) == (layout.vfs.size, layout.romfs.size)
    names = mounted(flash).listdir("/")
    assert "main.py" not in names
    assert "slot0" not in names
    assert slots.startswith(b'{"version": "1.2.3"')
    said = capsys.readouterr().out
    folder = tmp_path / "post"
    assert (
        f"write-flash 0x{layout.romfs.offset:x} {folder}/romfs.bin "
        f"0x{layout.vfs.offset:x} {folder}/flash.bin" in said
    )


def test_the_key_is_in_the_flash_and_in_the_gateways_section_and_told_nowhere_else(
    releases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words(releases, tmp_path / "post"), "--bus", "east"]) == 0
    section = (tmp_path / "post" / "gateway.toml").read_text()
    told = tomllib.loads(section)["lamppost"][0]
    identity = identity_file.decode(
        read(mounted((tmp_path / "post" / "flash.bin").read_bytes()), "/identity.cbor")
    )
    assert identity["keys"] == {1: bytes.fromhex(told["key"])}
    assert identity["id"].hex() == told["id"] == NODE
    assert (identity["address"], told["address"], told["bus"]) == (12, 12, "east")
    label = parse((tmp_path / "post" / "label.txt").read_text())
    assert (label.node.hex(), label.key_id, label.key.hex()) == (NODE, 1, told["key"])
    said = capsys.readouterr()
    assert told["key"] not in (said.out + said.err).lower()
    for path in (tmp_path / "post").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "post").stat().st_mode) == 0o700
    whole = tmp_path / "whole.toml"
    whole.touch(mode=0o600)
    whole.write_text(
        f'[gateway]\nid = "c"\ndata_dir = "{tmp_path}"\n[bus.east]\nport = "/dev/ttyUSB0"\n'
        f'[mqtt]\nhost = "broker"\n{section}'
    )
    loaded, _ = load(whole)
    assert loaded.lamppost[0].key.get_secret_value().hex() == told["key"]


def test_two_lampposts_get_different_keys_and_a_given_one_is_taken(
    releases: Path, tmp_path: Path
) -> None:
    keys: list[str] = []
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(KEY + "\n")
    for name, more in (("a", []), ("b", []), ("c", ["--key-file", str(file)])):
        assert main([*words(releases, tmp_path / name), *more]) == 0
        section = tomllib.loads((tmp_path / name / "gateway.toml").read_text())
        keys.append(section["lamppost"][0]["key"])
    assert len(set(keys)) == 3
    assert keys[2] == KEY


def test_a_name_in_any_letters_is_one_that_the_gateway_reads(
    releases: Path, tmp_path: Path
) -> None:
    name = 'Straße "12" \\ 街灯 🏮'
    assert main([*words(releases, tmp_path / "post"), "--name", name]) == 0
    section = tomllib.loads((tmp_path / "post" / "gateway.toml").read_text())
    assert section["lamppost"][0]["name"] == name


def test_a_first_configuration_is_kept_as_the_node_reads_it(releases: Path, tmp_path: Path) -> None:
    file = tmp_path / "first.json"
    file.write_text(json.dumps({"lamp/rated_power": 60, "parts/air": 0}))
    assert main([*words(releases, tmp_path / "post"), "--configuration", str(file)]) == 0
    kept = read(mounted((tmp_path / "post" / "flash.bin").read_bytes()), "/configuration.cbor")
    version, values = configuration.parse_document(kept[:-4])
    assert version == 1
    assert configuration.effective(values)["lamp/rated_power"] == 60


def test_the_boot_stage_takes_no_more_of_the_flash_than_is_kept_for_it() -> None:
    for board in LAYOUTS:
        sizes = [len(data) for data in stock_files(board).values()]
        # A small file lies in its folder; the folder itself takes two blocks.
        assert sum(-(-size // 4096) for size in sizes if size > 128) + 2 <= BOOT_STAGE_BLOCKS


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--id", "a0b1"], "expected 12 hexadecimal digits for the node id, got 'a0b1'"),
        (["--address", "248"], "expected 1 to 247 for address, got 248"),
        (["--key-id", "0"], "expected a key id from 1 to 255, got 0"),
        (["--name", "a\nb"], "expected a name of 1 to 80 printable characters"),
        (["--bus", "a b"], "expected a bus name"),
        (["--board", "toaster"], "expected a board of esp32-wroom, esp32-wrover, esp32s3-ref"),
        (["--board", "esp32-wrover"], "expected a release for esp32-wrover, got one for esp32-wro"),
        (["--release", "/nowhere/x.img"], "/nowhere/x.img cannot be read: No such file"),
        (["--release", "bad.json"], "bad.json: image"),
        (["--release-key", "bad.json"], "expected an RSA-3072 key in bad.json, which is no PEM"),
        (["--release-key", "none"], "key in none, which cannot be read: No such file"),
        (["--key-file", "open.key"], "open.key can be read by others; chmod 600 it"),
        (["--key-file", "short.key"], "expected 32 hexadecimal digits in short.key"),
        (["--configuration", "bad.json"], "expected JSON in bad.json"),
        (["--configuration", "list.json"], "an object of field names and values in list.json"),
        (["--configuration", "latin.json"], "latin.json, which is no text in UTF-8"),
        (["--configuration", "absurd.json"], "lamp/rated_power"),
        (["--out", "."], ". is there already; name another folder for it"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_line_and_nothing_is_written(
    releases: Path,
    tmp_path: Path,
    change: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text, mode in (
        ("open.key", KEY, 0o644),
        ("short.key", KEY[2:], 0o600),
        ("bad.json", "{", 0o644),
        ("list.json", "[]", 0o644),
        ("latin.json", '{"\xfc": 1}', 0o644),
        ("absurd.json", '{"lamp/rated_power": -5}', 0o644),
    ):
        Path(name).write_text(text, encoding="latin-1")
        Path(name).chmod(mode)
    assert main([*words(releases, tmp_path / "post"), *change]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("firmware.build.provision: ")
    assert told in said.err
    assert said.err.count("\n") == 1
    assert KEY not in said.err
    assert not (tmp_path / "post").exists()


def test_a_release_that_somebody_else_has_signed_is_refused(
    releases: Path, tmp_path: Path, stranger: PrivateKey, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger.write_public(tmp_path / "stranger.pub")
    given = [*words(releases, tmp_path / "post"), "--release-key", str(tmp_path / "stranger.pub")]
    assert main(given) == 1
    assert "is not signed with the release key that was given" in capsys.readouterr().err


def test_wrong_usage_is_one_line_and_exit_code_2(
    releases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words(releases, tmp_path / "post"), "--way", "by hand"])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.err.startswith(
        "firmware.build.provision: argument --way: invalid choice: 'by hand'"
    )
    assert said.err.endswith(". See: python -m firmware.build.provision --help\n")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "post").exists()

"""What the README and the pages show is what a reader can type: commands, options and files."""

import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import esptool
import pytest
import typer
from pydantic import TypeAdapter

import firmware.build.__main__
import firmware.build.provision
import gateway.main
import hardware.__main__
import simulators.main
from firmware.build.layouts import LAYOUTS
from firmware.build.provision import Made, Way, commands
from fleet_cli import settings
from fleet_cli.configuration.document import parse_document
from fleet_cli.main import build
from gateway.config import (
    LamppostSection,
    LanSection,
    PresenceSection,
    UpdatesSection,
    WebSection,
    load,
)
from gateway.config.outlet import OutletSection

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "firmware" / "README.md",
    REPOSITORY / "hardware" / "README.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)

PROGRAMS: dict[str, Any] = {
    "lamplighter": typer.main.get_command(build()),
    "lamplighter-gateway": typer.main.get_command(gateway.main.app),
    "lamplighter-sim": typer.main.get_command(simulators.main.app),
}

MODULES: dict[str, Callable[[list[str]], int]] = {
    "firmware.build": firmware.build.__main__.main,
    "firmware.build.provision": firmware.build.provision.main,
    "hardware": hardware.__main__.main,
}


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page.name, text)
        for page in PAGES
        for found, text in BLOCK.findall(page.read_text())
        if found == language
    ]


COMMANDS = [
    (page, line)
    for page, text in blocks("sh")
    for line in text.splitlines()
    if line.split(" ", 1)[0] in PROGRAMS
]
MODULE_COMMANDS = [
    (page, line)
    for page, text in blocks("sh")
    for line in text.splitlines()
    if line.startswith("python -m ") and line.split()[2] in MODULES
]
TOOL_COMMANDS = [
    (page, line)
    for page, text in blocks("sh")
    for line in text.splitlines()
    if line.split(" ", 1)[0] in ("esptool", "mpremote")
]
FILES = blocks("toml")


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[line for _, line in COMMANDS])
def test_every_command_shown_exists_with_its_options(page: str, line: str) -> None:
    program, *words = shlex.split(line, comments=True)
    command = PROGRAMS[program]
    while words and hasattr(command, "commands"):
        name = words.pop(0)
        assert name in command.commands, f"{page}: {line}: there is no {name}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts}
    if command.name == "demo":
        return  # hands its options on; the demo's own tests know them
    used = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert used <= known, f"{page}: {line}: no {used - known}"


@pytest.mark.parametrize(
    ("page", "line"), MODULE_COMMANDS, ids=[line[:60] for _, line in MODULE_COMMANDS]
)
def test_every_module_shown_takes_its_options(
    page: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, module, *words = shlex.split(line, comments=True)
    with pytest.raises(SystemExit) as ended:
        MODULES[module](["--help"])
    assert ended.value.code == 0
    shown = set(re.findall(r"--?[a-z][a-z-]*|\w+", capsys.readouterr().out))
    used = {word for word in words if word.startswith("-")} or set(words[:1])
    assert used <= shown, f"{page}: {line}: no {used - shown}"


def test_pages_show_how_a_lamppost_is_flashed_and_boards_are_checked() -> None:
    shown = {line.split()[2] for _, line in MODULE_COMMANDS}
    assert {"firmware.build.provision", "hardware"} <= shown


@pytest.mark.parametrize(
    ("page", "line"), TOOL_COMMANDS, ids=[line[:60] for _, line in TOOL_COMMANDS]
)
def test_every_tool_shown_has_the_command(page: str, line: str) -> None:
    program, *words = shlex.split(line)
    if program == "esptool":
        options = {word for word in words if word.startswith("-")}
        assert options <= {"--chip", "--port"}, f"{page}: {line}"
        assert words[4] in esptool.cli.commands, f"{page}: {line}"
    else:
        assert (words[0], words[2]) == ("connect", "exec"), f"{page}: {line}"
        compile(words[3], line, "exec")


@pytest.mark.parametrize("way", ["stock", "custom"])
def test_the_commands_shown_for_a_board_are_those_that_are_printed(way: str) -> None:
    layout = LAYOUTS["esp32s3-ref"]
    regions = {"flash.bin": layout.stock_vfs if way == "stock" else layout.vfs}
    if way == "custom":
        regions["romfs.bin"] = layout.romfs
    made = Made(layout, Way(way), {name: (at, b"") for name, (at, _) in regions.items()})
    printed = commands(Path("high-street-12"), made, "PORT")
    page = (REPOSITORY / "firmware" / "README.md").read_text()
    for line in printed:
        assert line.startswith("#") or f"\n{line}\n" in page, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_file_that_a_page_links_to_is_there(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_flash_of_each_board_is_as_the_page_says() -> None:
    page = (REPOSITORY / "firmware" / "README.md").read_text()
    for board, layout in LAYOUTS.items():
        size = layout.stock_vfs.size >> 20
        row = f"| `{board}` | {layout.stock} | 0x{layout.bootloader:x} | 0x200000, {size} MiB |"
        assert row in page, row
        half = layout.romfs.size // 2048
        assert f"| {layout.flash >> 20} MiB | {size} MiB | " in page
        assert f" | 2 x {half} KiB | " in page


def test_pages_show_commands_of_every_program() -> None:
    assert {line.split()[0] for _, line in COMMANDS} == set(PROGRAMS)


@pytest.mark.parametrize(("page", "text"), FILES, ids=[page for page, _ in FILES])
def test_every_file_shown_is_accepted(page: str, text: str, tmp_path: Path) -> None:
    data = tomllib.loads(text)
    file = tmp_path / "shown.toml"
    file.write_text(text)
    if "gateway" in data:
        configuration, _ = load(file)
        assert configuration.lamppost
    elif "updates" in data:  # of a gateway's file, the one section
        assert UpdatesSection.model_validate(data["updates"]).root_file
    elif "lamppost" in data and "presence" in data:
        assert PresenceSection.model_validate(data["presence"]).ahead
        who = {"id": "a0b1c2d3e4f5", "name": "a", "bus": "b", "address": 1, "key": "00" * 16}
        for shown in data["lamppost"]:
            assert LamppostSection.model_validate({**who, "key_id": 1, **shown}).street
    elif "outlet" in data:
        outlets = TypeAdapter(dict[str, OutletSection]).validate_python(data["outlet"])
        assert len({shown.kind for shown in outlets.values()}) == 3
    elif "lan" in data:
        assert LanSection.model_validate(data["lan"]).reached_under
    elif "web" in data:
        assert WebSection.model_validate(data["web"]).enabled
    elif "lamp" in data:
        assert parse_document(text, page).values
    else:
        assert settings.load(file, {}).broker.host == data["broker"]["host"]

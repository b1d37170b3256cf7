"""What the README and the pages show is what a reader can type: commands, options and files."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

import gateway.main
import simulators.main
from fleet_cli import settings
from fleet_cli.configuration.document import parse_document
from fleet_cli.main import build
from gateway.config import load

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)

PROGRAMS: dict[str, Any] = {
    "lamplighter": typer.main.get_command(build()),
    "lamplighter-gateway": typer.main.get_command(gateway.main.app),
    "lamplighter-sim": typer.main.get_command(simulators.main.app),
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
    elif "lamp" in data:
        assert parse_document(text, page).values
    else:
        assert settings.load(file, {}).broker.host == data["broker"]["host"]

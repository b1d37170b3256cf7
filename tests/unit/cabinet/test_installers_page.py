"""docs/installer.md, held to the commands: what it says to type, there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.markup import render
from typer.main import get_command

from gateway.config import Configuration
from gateway.main import app

PAGE = (Path(__file__).resolve().parents[3] / "docs/installer.md").read_text(encoding="utf-8")
TYPED = sorted(
    {
        " ".join(line.split())
        for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S)
        for line in block.replace("\\\n", " ").splitlines()
        if "lamplighter-gateway " in line and "systemctl" not in line and "journal" not in line
    }
    | set(re.findall(r"`(?:sudo )?(lamplighter-gateway [a-z-]+[^`]*)`", PAGE))
)

COMMANDS = get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


def test_the_page_types_commands() -> None:
    assert len(TYPED) > 5


@pytest.mark.parametrize("line", TYPED)
def test_each_command_and_option_is_there(line: str) -> None:
    words = line.partition("#")[0].partition("lamplighter-gateway ")[2].split()
    command = COMMANDS[words[0]]
    known = {option for one in command.params for option in one.opts}  # pyright: ignore
    assert {word for word in words[1:] if word.startswith("--")} <= known


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_no_word_of_a_help_is_taken_for_markup(command: str) -> None:
    """`[web]` would be left out as a style's name."""
    texts = [
        COMMANDS[command].help,
        *(getattr(one, "help", "") for one in COMMANDS[command].params),
    ]
    for text in texts:
        assert render(text or "").plain == (text or "")


def test_the_page_names_sections_that_there_are() -> None:
    named = set(re.findall(r"`\[([a-z]+)\]`", PAGE)) - {"Journal", "Manager"}
    assert named <= set(Configuration.model_fields) | {"gateway"}

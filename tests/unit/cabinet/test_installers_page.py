"""docs/installer.md, held to the commands: what it says to type, there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
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


def test_the_page_types_commands() -> None:
    assert len(TYPED) > 5


@pytest.mark.parametrize("line", TYPED)
def test_each_command_and_option_is_there(line: str) -> None:
    words = line.partition("#")[0].partition("lamplighter-gateway ")[2].split()
    command = get_command(app).commands[words[0]]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    known = {option for one in command.params for option in one.opts}  # pyright: ignore
    assert {word for word in words[1:] if word.startswith("--")} <= known


def test_the_page_names_sections_that_there_are() -> None:
    named = set(re.findall(r"`\[([a-z]+)\]`", PAGE)) - {"Journal", "Manager"}
    assert named <= set(Configuration.model_fields) | {"gateway"}

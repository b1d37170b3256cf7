"""Logs as the journal takes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
SCRIPT = """
from gateway import logs
logs.set_up("info", {form!r})
log = logs.get(bus="north")
log.info("up")
log.warning("slow", why="two\\nlines \\x1b[2J\\r\\x9b \\ud800")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("bug")
"""


def said(form: str, folder: Path, journal: bool) -> list[str]:
    """Lines on stderr, which is a file that JOURNAL_STREAM names, or does not."""
    with (folder / "stderr").open("w+b") as stream:
        there = os.fstat(stream.fileno())
        named = f"{there.st_dev}:{there.st_ino}" if journal else f"{there.st_dev}:1"
        subprocess.run(
            [sys.executable, "-c", SCRIPT.format(form=form)],
            cwd=REPOSITORY,
            env={**os.environ, "JOURNAL_STREAM": named, "PYTHONPATH": str(REPOSITORY)},
            stderr=stream,
            check=True,
            timeout=60,
        )
        stream.seek(0)
        return stream.read().decode().splitlines()


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_journal_gets_a_priority_a_line_and_no_time(form: str, tmp_path: Path) -> None:
    lines = said(form, tmp_path, journal=True)
    assert [line[:3] for line in lines[:2]] == ["<6>", "<4>"]
    assert {line[:3] for line in lines[2:]} == {"<3>"}
    assert "ZeroDivisionError" in "".join(lines)
    assert not any("timestamp" in line for line in lines)


def test_elsewhere_a_line_has_its_time_and_no_priority(tmp_path: Path) -> None:
    lines = said("text", tmp_path, journal=False)
    assert lines[0].startswith("timestamp=")
    assert "level=info event=up" in lines[0]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("journal", [True, False])
def test_what_a_lamppost_says_moves_no_cursor_and_begins_no_line(
    form: str, journal: bool, tmp_path: Path
) -> None:
    line = said(form, tmp_path, journal=journal)[1]
    assert "slow" in line
    assert "two\\nlines" in line
    assert "1b[2J" in line
    assert line.isprintable()

"""The command line of the simulators: help a person can read, errors in one line."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import serial
from typer.testing import CliRunner

from simulators.main import app

COMMAND = [sys.executable, "-m", "simulators.main"]


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, arguments)
    return result.exit_code, result.output


@pytest.mark.parametrize("command", ["street", "node"])
def test_help_says_what_each_option_does(command: str) -> None:
    code, output = invoke(command, "--help")
    assert code == 0
    rows = [line for line in output.splitlines() if re.search(r"\s--[a-z]", line)]
    assert rows
    assert all(len(re.sub(r"[^A-Za-z]", "", row)) > 25 for row in rows), output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("street", "--nodes", "0"), "--nodes"),
        (("street", "--nodes", "248"), "--nodes"),
        (("street", "--noise", "2"), "--noise"),
        (("street", "--replay-air", "/nowhere/air.csv"), "/nowhere/air.csv"),
        (("node", "--speed", "fast"), "--speed"),
        (("cellar",), "cellar"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_names_the_culprit(
    arguments: tuple[str, ...], expected: str
) -> None:
    code, output = invoke(*arguments)
    assert code == 2
    assert expected in output


def test_a_recording_that_is_none_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    code, output = invoke(
        "street", "--nodes", "1", "--dir", str(tmp_path / "s"), "--replay-people", str(other)
    )
    assert code == 1
    assert output.splitlines() == [
        f"lamplighter-sim: {other}: expected columns Day, Hour, InCount, LocationName, Month, "
        "Year, missing Day, Hour, InCount, LocationName, Month, Year"
    ]


def test_a_folder_that_cannot_be_made_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, output = invoke("street", "--dir", str(tmp_path / "file" / "street"))
    assert code == 1
    assert len(output.splitlines()) == 1
    assert output.startswith("lamplighter-sim: ")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_node_runs_until_it_is_stopped_and_shows_its_ports(
    tmp_path: Path, stop: signal.Signals
) -> None:
    process = subprocess.Popen(
        [*COMMAND, "node", "--console", "--dir", str(tmp_path / "node")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    shown: dict[str, str] = {}
    for line in process.stdout:
        match line.split(maxsplit=1):
            case ["build", _]:
                break
            case [what, value]:
                shown[what] = value.strip()
            case _:
                continue
    with serial.Serial(shown["console"], 115_200, timeout=0):
        pass
    with serial.Serial(shown["bus"], 115_200, timeout=0):
        pass
    process.send_signal(stop)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said == "the street closes\n"
    assert (tmp_path / "node" / "release-key.pem").stat().st_mode & 0o077 == 0
    assert (tmp_path / "node" / "gateway.toml").stat().st_mode & 0o077 == 0

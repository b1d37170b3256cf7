"""The command line of the simulators: help a person can read, errors in one line."""

import re
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import serial
from typer.main import get_command
from typer.testing import CliRunner

from fleet_cli import settings
from gateway import config as gateway_config
from simulators.main import app, run

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
    told = vars(get_command(app))["commands"][command].help
    assert [line for line in told.split("\n") if len(line) > 78] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("street", "--nodes", "0"), "--nodes"),
        (("street", "--nodes", "248"), "--nodes"),
        (("street", "--noise", "2"), "--noise"),
        (("street", "--replay-air", "/nowhere/air.csv"), "/nowhere/air.csv"),
        (("node", "--speed", "fast"), "--speed"),
        (("street", "--broker", "broker.city"), "'broker.city'"),
        (("street", "--broker", "broker.city:0"), "1 to 65535, got 0"),
        (("street", "--broker", 'a"b:1883'), "expected HOST:PORT"),
        (("cellar",), "cellar"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2_and_names_the_culprit(
    arguments: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("lamplighter-sim: ")
    assert expected in said.err
    assert re.search(r"[.?] See: lamplighter-sim.* --help\n$", said.err)


def test_wrong_usage_of_the_demo_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["demo", "--nodes", "1"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "lamplighter-sim demo: --nodes: expected 2 to 60, got 1. See: lamplighter-sim demo --help\n"
    )


def test_the_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"lamplighter-sim {metadata.version('lamplighter')}\n"


def test_help_promises_no_power_cuts_of_the_demo() -> None:
    _, output = invoke("--help")
    assert "power cut" not in output


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


def test_a_street_tells_what_it_needs_and_keeps_its_folder_to_itself(tmp_path: Path) -> None:
    folder = tmp_path / "street"
    words = [*COMMAND, "street", "--nodes", "1", "--dir", str(folder)]
    street = subprocess.Popen(
        [*words, "--broker", "broker.city:8000"], stdout=subprocess.PIPE, text=True
    )
    assert street.stdout is not None
    shown: dict[str, str] = {}
    for line in street.stdout:
        if len(parts := line.split(maxsplit=1)) == 2:
            shown[parts[0]] = parts[1].strip()
        if "fleet" in shown:
            break
    assert "broker.city:8000" in shown["broker"]
    assert shown["ingest"].endswith(f"lamplighter --settings {folder}/lamplighter.toml ingest")
    assert shown["gateway"].endswith(f"lamplighter-gateway run --config {folder}/gateway.toml")
    given, warnings = gateway_config.load(folder / "gateway.toml")
    assert (given.mqtt.host, given.mqtt.port, warnings) == ("broker.city", 8000, [])
    desk = settings.load(folder / "lamplighter.toml", {})
    assert (desk.broker.host, desk.broker.port) == ("broker.city", 8000)

    second = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert second.stderr == (
        f"lamplighter-sim: {folder}: expected a folder of its own, got one in which another "
        "street runs; end that one, or name another folder\n"
    )
    assert street.poll() is None, "the first one lives on"
    street.send_signal(signal.SIGINT)
    assert street.wait(60) == 0
    street.stdout.close()

"""readings export: which records, where to, and what is seen of it meanwhile."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from fleet_cli import main, output
from fleet_cli.commands import readings
from fleet_cli.store import RecordRow, Store
from protocol import records
from tests.unit.fleet_cli.rows import people


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("LAMPLIGHTER_STORE", "sqlite:///city.db")
    body = records.encode(records.PEOPLE, 42, 60, 1, 2, 1000, 3, 0)
    without_time = RecordRow("a0b1c2d3e4f5", 2, 0, records.PEOPLE, 42, body, "cabinet-7", 50)
    with Store("sqlite:///city.db", create=True) as made:
        made.write([people(0), people(1), without_time])


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What stands on a terminal that stderr is."""
    seen = io.StringIO()

    def console(**options: bool) -> Console:
        file = seen if options.get("stderr") else None
        return Console(file=file, force_terminal=file is not None, width=80)

    monkeypatch.setattr(output, "Console", console)
    return seen


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ([], 3),
        (["--since", "1970-01-01"], 2),
        (["--until", "2030-01-01"], 2),
        (["--since", "1970-01-01", "--until", "1971-01-01"], 0),
    ],
)
def test_record_without_a_time_is_outside_any_bound(
    bounds: list[str], expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["readings", "export", "--json", *bounds]) == 0
    assert len(capsys.readouterr().out.splitlines()) == expected


@pytest.mark.parametrize(
    ("arguments", "after_s", "seen"),
    [
        (["-o", "out.csv"], 0.0, True),
        (["-o", "out.csv"], 1e9, False),
        ([], 0.0, True),
        (["--json"], 0.0, False),
    ],
)
def test_long_export_shows_how_far_it_is(
    arguments: list[str],
    after_s: float,
    seen: bool,
    terminal: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(output, "_BAR_AFTER_S", after_s)
    assert main.run(["readings", "export", "-k", "people", *arguments]) == 0
    assert ("Exporting" in terminal.getvalue()) is seen
    if seen:
        assert "0/3" in terminal.getvalue()
    assert "Exporting" not in capsys.readouterr().out


def test_disk_that_fills_up_is_a_failure_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(readings.os, "fsync", full)
    assert main.run(["readings", "export", "--format", "jsonl", "-o", "out.jsonl"]) == 1
    assert "--output out.jsonl: could not be written: No space left" in capsys.readouterr().err
    assert sorted(path.name for path in Path().glob("out*")) == []


def test_stdout_that_takes_no_more_is_a_failure_in_one_line() -> None:
    arguments = ["readings", "export", "--json"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(  # the interpreter's own end is part of it
            [sys.executable, "-m", "fleet_cli", *arguments],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    told = "lamplighter: stdout: could not be written: No space left on device\n"
    assert (ended.returncode, ended.stderr) == (1, told)


@pytest.mark.parametrize("place", ["/nope/out.jsonl", "."])
def test_place_where_no_file_can_be_is_bad_input(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["readings", "export", "--format", "jsonl", "-o", place]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"lamplighter: --output {place}: ")
    assert error.count("/nope") <= 1


def test_export_is_whole_on_disk() -> None:
    assert main.run(["readings", "export", "--format", "jsonl", "-o", "out.jsonl"]) == 0
    lines = Path("out.jsonl").read_text().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [0, 0, 1]

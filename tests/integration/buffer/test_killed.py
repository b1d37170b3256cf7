"""Killed while it commits: what was said to be durable is there, and nothing by half."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.buffer import database as db
from gateway.logs import get
from tests.integration.buffer.adding import LAMPPOSTS, body, node

REPOSITORY = Path(__file__).resolve().parents[3]


def killed_after(path: Path, lines: int, pause_s: float) -> dict[str, int]:
    """Run the process, kill it some time after it said so much; gives the last it said of each."""
    command = [sys.executable, "-m", "tests.integration.buffer.adding", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        time.sleep(pause_s)
        process.kill()
        said += process.stdout.readlines()
    last: dict[str, int] = {}
    for line in said:
        # A line may be cut short by the kill.
        if line.endswith(b"\n"):
            name, number = line.decode().split()
            last[name] = int(number)
    return last


def assert_there(path: Path, said: dict[str, int]) -> None:
    database = db.open_checked(path, get())
    try:
        assert not db.set_aside(path), "a kill is no damage"
        for number in range(LAMPPOSTS):
            position = database.execute(
                "SELECT seq FROM cursor WHERE node = ?", [node(number)]
            ).fetchone()[0]
            rows = database.execute(
                "SELECT seq, body FROM record WHERE node = ? ORDER BY id", [node(number)]
            ).fetchall()
            assert position >= said[str(number)]
            assert rows == [(seq, body(number, seq)) for seq in range(position)]
        reserved = database.execute("SELECT reserved FROM seal").fetchone()[0]
        assert reserved >= said["seal"], "no counter is given out twice"
    finally:
        database.conn.close()


def kill_often(path: Path, chance: random.Random, times: int) -> None:
    said: dict[str, int] = {}
    for _ in range(times):
        said |= killed_after(path, chance.randrange(10, 300), chance.uniform(0, 0.02))
        assert_there(path, said)


def test_killed_while_it_commits(tmp_path: Path) -> None:
    kill_often(tmp_path / "gateway.db", random.Random(11), 2)


@pytest.mark.soak
def test_killed_two_hundred_times_while_it_commits(tmp_path: Path) -> None:
    kill_often(tmp_path / "gateway.db", random.Random(12), 200)

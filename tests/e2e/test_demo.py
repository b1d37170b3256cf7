"""The demonstration as a user runs it, in its short form: few lampposts, a shorter night."""

import json
import os
import re
import signal
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest

DEMO = Path(sysconfig.get_path("scripts")) / "lamplighter-sim"
STEPS = [
    "power-on",
    "configuration",
    "release",
    "gateway-kill",
    "program",
    "group-command",
    "wires-cut",
    "deaf-release",
    "wires-mended",
    "broker-away",
    "morning",
    "ledger",
]
FIGURES = ("levels", "lampposts", "footfall", "power", "pm25", "steps")


def processes_that_mention(words: str) -> list[str]:
    """Command lines and environments of living processes in which ``words`` appear."""
    found: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue  # gone meanwhile, or not ours
        if words.encode() in told and int(folder.name) != os.getpid():
            found.append(told.replace(b"\0", b" ").decode(errors="replace")[:200])
    return found


def environment(folder: Path) -> dict[str, str]:
    """Work folders under ``folder``, so that whatever the demo starts can be told by it."""
    return {**os.environ, "TMPDIR": str(folder)}


@pytest.mark.timeout(900)
def test_a_night_passes_and_loses_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report"
    done = subprocess.run(
        [DEMO, "demo", "--nodes", "3", "--seconds", "110", "--report", report],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    summary = json.loads((report / "summary.json").read_text())
    assert summary["passed"], summary["failures"]
    assert (summary["lost"], summary["duplicates"], summary["altered"]) == (0, 0, 0)
    assert summary["produced"] == summary["stored"] > 300
    assert [(step["name"], step["passed"]) for step in summary["steps"]] == [
        (name, True) for name in STEPS
    ]

    # What the steps did is there to be seen afterwards.
    gateway = summary["counters"]["gateway"]
    assert (gateway["starts"], gateway["kills"]) == (2, 1)
    assert gateway["records"]["added"] >= summary["produced"]
    assert summary["counters"]["store"] == {"conflict": 0, "rejected": 0}
    assert summary["counters"]["broker"]["starts"] == 2
    posts = summary["lampposts"]
    assert [post["version"] for post in posts] == ["2.0.0"] * 3
    assert [post["update"] for post in posts] == ["confirmed", "confirmed", "reverted"]
    # The middle one alone has Bluetooth, which its configuration says.
    assert [post["configuration"] for post in posts] == [
        f"v{version} applied" for version in (3, 4, 3)
    ]
    assert [post["reached_by"] for post in posts] == ["bus"] * 3
    (cut,) = (step["detail"] for step in summary["steps"] if step["name"] == "wires-cut")
    assert re.match(rf"{posts[1]['name']} was reached by Bluetooth .* sent [1-9]", cut)
    assert posts[2]["boots"] >= 4  # on, 2.0.0, the deaf 3.0.0, 2.0.0 again
    assert 0 < summary["energy"]["measured_wh"] < summary["energy"]["undimmed_wh"]

    page = (report / "index.html").read_text()
    for name in FIGURES:
        assert f'<figure id="{name}">' in page
    assert re.search(r'class="line amber" d="M[\d.]+ [\d.]+[HL]', page)
    assert "https://" not in page
    assert ": reached by Bluetooth from" in page

    # A terminal that is none gets a few dozen lines, and nothing is left behind.
    assert 20 < len(done.stdout.splitlines()) < 90
    assert processes_that_mention(str(tmp_path)) == []
    assert not list(tmp_path.glob("lamplighter-demo-*"))


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)]
)
def test_ended_in_the_middle_it_leaves_no_process_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    report = tmp_path / "report"
    command = [DEMO, "demo", "--nodes", "2", "--report", report]
    with subprocess.Popen(
        command, env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "street powered on:" in line:
                break
        assert len(processes_that_mention(str(tmp_path))) >= 5
        demo.send_signal(number)
        said = demo.stdout.read()
        assert demo.wait(60) == 130
    assert "everything has been stopped" in said
    assert processes_that_mention(str(tmp_path)) == []


def test_killed_outright_it_takes_its_programs_with_it(tmp_path: Path) -> None:
    command = [DEMO, "demo", "--nodes", "2", "--report", tmp_path / "report"]
    with subprocess.Popen(
        command, env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "street powered on:" in line:
                break
        demo.kill()
    deadline = time.monotonic() + 60
    while (left := processes_that_mention(str(tmp_path))) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nodes", "1"], "--nodes: expected 2 to 60, got 1"),
        (["--seconds", "5"], "--seconds: expected at least 30, got 5"),
        (["--speed", "0"], "--speed: expected auto or 1 to 2000, got 0"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(arguments: list[str], words: str) -> None:
    done = subprocess.run(
        [DEMO, "demo", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert words in done.stderr

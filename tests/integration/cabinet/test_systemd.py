"""The service under the real systemd, booted in namespaces of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
SERVICE = "lamplighter-gateway"
DROP_IN = f"/etc/systemd/system/{SERVICE}.service.d"

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces are root's to make"),
    pytest.mark.skipif(
        not Path("/lib/systemd/systemd").exists() or shutil.which("nsenter") is None,
        reason="systemd or nsenter is not here",
    ),
]

Inside = Callable[..., tuple[int, str]]


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not in time: {what}")
        time.sleep(0.2)


def child_of(process: int) -> int:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return int(children[0]) if children else 0


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    """Runs a command beside the systemd that was booted; gives its exit code and output."""
    prefix = os.path.dirname(os.path.dirname(os.path.realpath(sys.executable)))
    booted = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", "--cgroup",
         "--net",
         str(HERE / "boot.sh"), str(tmp_path), str(REPOSITORY), sysconfig.get_path("purelib"),
         prefix],
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: booted.poll() is not None or child_of(booted.pid) != 0, "namespaces")
    init = child_of(booted.pid)

    def run(*command: str, text: str | None = None) -> tuple[int, str]:
        done = subprocess.run(
            ["nsenter", "-t", str(init), "-m", "-p", "-i", "-u", "-C", "-n", *command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
            input=text,
        )  # fmt: skip
        return done.returncode, done.stdout

    try:
        until(lambda: run("systemctl", "is-system-running")[1].strip() in ("running", "degraded"),
              "systemd has booted")  # fmt: skip
        yield run
    finally:
        os.kill(init, signal.SIGKILL)
        booted.wait()


def show(inside: Inside, name: str) -> str:
    return inside("systemctl", "show", SERVICE, "--value", f"--property={name}")[1].strip()


def test_started_reloaded_killed_when_it_hangs_and_stopped(inside: Inside) -> None:
    program = f"/usr/local/bin/{SERVICE}"
    code, said = inside(
        program, "init", "--yes", "--id", "cabinet-7", "--bus", "north=/dev/none",
        "--broker", "127.0.0.1:9", "--anyway", "--timeout", "2",
    )  # fmt: skip
    assert code == 0, said
    code, said = inside(program, "install-service")
    assert code == 0, said
    inside("mkdir", "-p", DROP_IN)
    # The library beside the interpreter that was copied; and no minute's wait for the watchdog.
    text = "[Service]\nEnvironment=LD_LIBRARY_PATH=/opt/lamplighter-python/lib\nWatchdogSec=10\n"
    inside("tee", f"{DROP_IN}/test.conf", text=text)
    assert inside("systemctl", "daemon-reload")[0] == 0

    code, said = inside("systemctl", "start", SERVICE)
    assert code == 0, said + inside("journalctl", "-u", SERVICE, "--no-pager", "-n", "30")[1]
    assert show(inside, "StatusText").startswith("0 lampposts, 0 silent; broker away")
    assert show(inside, "User") == "lamplighter"
    code, said = inside(program, "health")
    assert (code, "the port of bus north is not open" in said) == (2, True), said
    assert inside("systemctl", "reload", SERVICE)[0] == 0
    # As long again as the watchdog waits: it is being fed.
    time.sleep(12)
    assert (show(inside, "ActiveState"), show(inside, "NRestarts")) == ("active", "0")

    inside("systemctl", "kill", "-s", "STOP", SERVICE)
    until(lambda: show(inside, "NRestarts") == "1", "killed by the watchdog, and started again")
    until(lambda: show(inside, "ActiveState") == "active", "started again")
    errors = inside("journalctl", "-u", SERVICE, "--no-pager")[1]
    assert "Watchdog timeout" in errors

    assert inside("systemctl", "stop", SERVICE)[0] == 0
    assert show(inside, "Result") == "success"
    code, told = inside("journalctl", "-u", SERVICE, "--no-pager", "-p", "warning", "-o", "cat")
    assert "serial port unavailable" in told
    assert "event=started" not in told

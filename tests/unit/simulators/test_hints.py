"""What is printed for a person to type works from where it is printed."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from simulators import hints


def empty_path(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", str(folder))


def test_a_command_is_shown_from_the_current_folder_when_it_is_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = Path(sysconfig.get_path("scripts"))
    monkeypatch.chdir(scripts.parent)
    assert hints.command("lamplighter", "lamp", "set", "Lime Walk 01") == (
        f"{scripts.name}/lamplighter lamp set 'Lime Walk 01'"
    )
    monkeypatch.chdir(tmp_path)
    assert hints.command("lamplighter") == f"{scripts}/lamplighter"


def test_a_hint_works_where_the_environment_is_not_active(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_path(monkeypatch, tmp_path)
    for hint in (hints.command("lamplighter-sim", "--version"), hints.python("-c", "print(1)")):
        done = subprocess.run(["/bin/sh", "-c", hint], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_programs_on_the_path_are_named_as_they_are_and_others_by_our_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_path(monkeypatch, tmp_path)
    ours = hints.python("-m", "simulators.tools.smpmgr")
    assert hints.smpmgr("--port", "/dev/pts/4") == f"$({ours}) --port /dev/pts/4"
    assert hints.mosquitto(1884).endswith("-m simulators.tools path mosquitto) -p 1884")
    assert hints.listening(1884) == []
    for name in ("smpmgr", "mosquitto", "mosquitto_sub"):
        (tmp_path / name).symlink_to(sys.executable)
    assert hints.smpmgr("--port", "/dev/pts/4") == "smpmgr --port /dev/pts/4"
    assert hints.mosquitto(1884) == "mosquitto -p 1884"
    assert hints.listening(1884) == ["mosquitto_sub -V 5 -p 1884 -t 'lamplighter/v1/#' -v"]

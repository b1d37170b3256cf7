"""A peer installed from PyPI into an environment of its own, kept in the cache between runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from simulators.tools.cache import cache_folder, locked

_INSTALL_TIMEOUT_S = 600


class PeerUnavailable(Exception):
    """The peer cannot be had on this machine; the text says why."""


def environment(name: str, requirement: str) -> Path:
    """The `bin` folder of the environment `name`, in which `requirement` is installed.

    Raises PeerUnavailable.
    """
    folder = cache_folder() / "peers" / name
    done = folder / ".installed"
    with locked(cache_folder() / "peers"):
        if done.exists() and done.read_text(encoding="utf-8") == requirement:
            return folder / "bin"
        try:
            _run([sys.executable, "-m", "venv", "--clear", str(folder)])
            _run([str(folder / "bin" / "pip"), "install", "--quiet", requirement])
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", "") or str(error)).strip() or type(error).__name__
            raise PeerUnavailable(f"{requirement}: {said.splitlines()[-1][:200]}") from error
        done.write_text(requirement, encoding="utf-8")
    return folder / "bin"


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S)

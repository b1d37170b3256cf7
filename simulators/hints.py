"""Commands for a person to type next, as they work from where that person is."""

import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path


def command(name: str, *arguments: str) -> str:
    """One of the project's own commands, with the folder it is installed in.

    That folder need not be on PATH: its virtual environment may not be active. It is shown from
    the current folder where it is below that.
    """
    return shlex.join([_from_here(Path(sysconfig.get_path("scripts")) / name), *arguments])


def python(*arguments: str) -> str:
    """This Python with ``arguments``."""
    return shlex.join([_from_here(Path(sys.executable)), *arguments])


def smpmgr(*arguments: str) -> str:
    """The SMP client: the one on PATH, else the one that the project's own tool makes and names."""
    words = "smpmgr"
    if shutil.which(words) is None:
        words = f"$({python('-m', 'simulators.tools.smpmgr')})"
    return f"{words} {shlex.join(arguments)}"


def mosquitto(port: int) -> str:
    """A broker on this machine: the one on PATH, else the one that the project has fetched."""
    words = "mosquitto"
    if shutil.which(words) is None:
        words = f"$({python('-m', 'simulators.tools', 'path', 'mosquitto')})"
    return f"{words} -p {port}"


def listening(port: int) -> list[str]:
    """How to listen to all that a broker on this machine is sent; empty without mosquitto_sub."""
    if shutil.which("mosquitto_sub") is None:
        return []
    return [f"mosquitto_sub -V 5 -p {port} -t 'lamplighter/v1/#' -v"]


def _from_here(path: Path) -> str:
    # Not resolved: the python of a virtual environment is a link that leads out of it.
    here = Path(os.path.abspath(os.curdir))
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

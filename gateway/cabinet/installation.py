"""The service on this machine: its user, its folders, its units. Done again it changes nothing."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from gateway.cabinet.local_broker import SERVICE as MOSQUITTO_SERVICE
from gateway.cabinet.new_configuration import USER
from gateway.cabinet.services import BOOTED, SERVICE
from gateway.config import load
from gateway.errors import ConfigurationError, GatewayError
from gateway.files import write_if_changed

STATE = Path("/var/lib/lamplighter")
_UNITS = Path("etc/systemd/system")
_UNIT_MODE = 0o644
_PRIVATE_FOLDER = 0o700
# Those who may open a serial port and speak to BlueZ; each only where this machine has it.
_GROUPS = ("dialout", "bluetooth")
# Hidden from the service (ProtectHome).
_HIDDEN = ("/home/", "/root/", "/run/user/")
_COMMAND_S = 60.0
_LONGEST_LINE = 256


class CannotInstall(GatewayError):
    """The service cannot be set up here; the text says why and what to do."""


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        what: it is.
        needed: whether it is still to be done.
        do: does it. Raises OSError, CannotInstall.
    """

    what: str
    needed: bool
    do: Callable[[], object]


@dataclass(frozen=True)
class Plan:
    """What is to be installed.

    Attributes:
        executable: absolute path of `lamplighter-gateway`.
        config: the gateway's configuration file.
        lan: whether the local broker's unit is wanted; None: where the configuration has [lan].
        root: of the system; another than / for an image.
    """

    executable: Path
    config: Path
    lan: bool | None = None
    root: Path = Path("/")


def check_executable(executable: Path) -> None:
    """Raise CannotInstall when the service's user could not run `executable`."""
    how = (
        "install it for the whole machine: sudo PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin "
        "pipx install ./lamplighter-*.whl"
    )
    for program in (executable, *_interpreter(executable)):
        real = Path(os.path.realpath(program))
        if not real.is_file() or not real.stat().st_mode & stat.S_IXOTH:
            raise CannotInstall(f"{program}: is no program that every user may run; {how}")
        for path in (program, real):
            if str(path).startswith(_HIDDEN):
                raise CannotInstall(
                    f"{path}: is in a home folder, which the service cannot see; {how}"
                )
        for folder in real.parents:
            if not folder.stat().st_mode & stat.S_IXOTH:
                raise CannotInstall(f"{real}: other users may not enter {folder}; {how}")


def _interpreter(executable: Path) -> list[Path]:
    """What runs a script, from its first line."""
    try:
        with executable.open("rb") as file:
            first = file.readline(_LONGEST_LINE)
    except OSError:
        return []
    words = os.fsdecode(first[2:]).split() if first.startswith(b"#!") else []
    return [Path(words[0])] if words else []


def steps(plan: Plan) -> Iterator[Step]:
    """What there is to do, in order; each is looked at when its turn comes."""
    data_dir, lan_folder = STATE, STATE / "lan"
    lan = plan.lan
    try:
        configuration, _ = load(plan.config)
    except ConfigurationError:
        # Not written yet, or not right: the service will say so.
        configuration = None
    if configuration is not None:
        data_dir = configuration.gateway.data_dir
        if configuration.lan is not None:
            lan_folder = configuration.lan.folder_in(data_dir)
            lan = configuration.lan.enabled if lan is None else lan
    yield _user(plan.root)
    writable = sorted({plan.config.parent, data_dir})
    for folder in writable:
        yield _folder(plan.root, folder)
    if configuration is not None:
        yield _owned(plan.config)
    groups = " ".join(name for name in _GROUPS if _has_group(plan.root, name))
    words = {
        "executable": str(plan.executable),
        "config": str(plan.config),
        "groups": groups,
        "writable": " ".join(map(str, writable)),
        "lan": str(lan_folder),
        "mosquitto": shutil.which("mosquitto", path="/usr/sbin:/usr/bin") or "/usr/sbin/mosquitto",
    }
    units = [_unit(plan.root, SERVICE, words)]
    if lan:
        units.append(_unit(plan.root, MOSQUITTO_SERVICE, words))
    changed = any(unit.needed for unit in units)
    yield from units
    if plan.root == Path("/") and BOOTED.is_dir():
        yield Step(
            "have systemd read its units", changed, lambda: _run("systemctl", "daemon-reload")
        )
        for name in (SERVICE, MOSQUITTO_SERVICE) if lan else (SERVICE,):
            yield _enabled(name)


def unit_text(name: str, words: dict[str, str]) -> str:
    """The text of the unit `name`, with `words` in the places named @so@."""
    text = resources.files("gateway.cabinet").joinpath(f"{name}.service").read_text("utf-8")
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    # A machine without these groups has no line for them: systemd would not start the service.
    return text.replace("SupplementaryGroups=\n", "")


def _user(root: Path) -> Step:
    there = any(line.startswith(f"{USER}:") for line in _lines(root / "etc/passwd"))
    command = ["useradd", "--system", "--user-group", "--no-create-home",
               "--home-dir", str(STATE), "--shell", "/usr/sbin/nologin", USER]  # fmt: skip
    if root != Path("/"):
        command[1:1] = ["--root", str(root)]
    return Step(f"user {USER}", not there, lambda: _run(*command))


def _folder(root: Path, folder: Path) -> Step:
    path = root / folder.relative_to("/")
    needed = not path.is_dir() or not _belongs(root, path) or path.stat().st_mode & 0o077 != 0

    def make() -> None:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(_PRIVATE_FOLDER)
        _give(root, path)

    return Step(f"folder {folder}, of {USER} alone", needed, make)


def _owned(config: Path) -> Step:
    root = Path("/")
    return Step(f"{config} belongs to {USER}", not _belongs(root, config),
                lambda: _give(root, config))  # fmt: skip


def _unit(root: Path, name: str, words: dict[str, str]) -> Step:
    path = root / _UNITS / f"{name}.service"
    content = unit_text(name, words).encode()
    needed = not path.exists() or path.read_bytes() != content

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_if_changed(path, content, _UNIT_MODE)

    return Step(f"unit /{_UNITS / path.name}", needed, write)


def _enabled(name: str) -> Step:
    done = subprocess.run(
        ["systemctl", "is-enabled", "--quiet", name], check=False, timeout=_COMMAND_S
    )
    return Step(f"{name} starts with the machine", done.returncode != 0,
                lambda: _run("systemctl", "enable", "--quiet", name))  # fmt: skip


def _has_group(root: Path, name: str) -> bool:
    return any(line.startswith(f"{name}:") for line in _lines(root / "etc/group"))


def _ids(root: Path) -> tuple[int, int] | None:
    if root == Path("/"):
        try:
            return pwd.getpwnam(USER).pw_uid, grp.getgrnam(USER).gr_gid
        except KeyError:
            return None
    for line in _lines(root / "etc/passwd"):
        fields = line.split(":")
        if fields[0] == USER:
            return int(fields[2]), int(fields[3])
    return None


def _belongs(root: Path, path: Path) -> bool:
    ids, there = _ids(root), path.stat()
    return ids == (there.st_uid, there.st_gid)


def _give(root: Path, path: Path) -> None:
    ids = _ids(root)
    if ids is None:
        raise CannotInstall(f"there is no user {USER}; useradd did not make it")
    os.chown(path, *ids)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_COMMAND_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstall(f"{command[0]} cannot be run: {error}") from error
    if done.returncode != 0:
        why = " ".join((done.stderr or done.stdout).split())[:300]
        raise CannotInstall(f"`{' '.join(command)}` failed: {why}")

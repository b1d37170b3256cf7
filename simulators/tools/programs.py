"""Which programs there are, where each is looked for, and what it must be able to do.

A program is taken from its environment variable, else from PATH when it is good enough there, else
from Debian's packages in the cache folder (fetched when absent).
"""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from simulators.tools import debian
from simulators.tools.cache import cache_folder, locked, whole_or_nothing
from simulators.tools.errors import ToolError

RECIPE = 2
"""Raised when the package lists below change: programs are then unpacked anew."""

_PROBE_SECONDS = 60

# Everything the node and its simulators ask of the interpreter that some build leaves out.
_MICROPYTHON_PROBE = """
import sys
import asyncio, binascii, cryptolib, deflate, hashlib, vfs
vfs.VfsLfs2, vfs.VfsRom
assert sys.implementation.name == "micropython", sys.implementation
assert sys.implementation.version[:2] >= (1, 24), sys.implementation.version
assert sys.maxsize == (1 << (%d - 1)) - 1, sys.maxsize
print("fits", ".".join(str(part) for part in sys.implementation.version[:3]))
"""


@dataclass(frozen=True, eq=False)
class Program:
    """A program we run.

    Attributes:
        name: what it is called here and in the cache folder.
        variable: the environment variable that names another.
        on_path: its name on PATH, None where one on PATH is never the right one.
        architectures: for the host's architecture, the one to take.
        packages: the Debian packages it needs, itself first.
        suites: the Debian releases that have them under these names, the preferred first.
        binary: the program inside its package.
        probe: given the command, returns the version, raises ToolError when it will not do.
    """

    name: str
    variable: str
    on_path: str | None
    architectures: dict[str, str]
    packages: tuple[str, ...]
    binary: str
    probe: Callable[[list[str]], str]
    suites: tuple[str, ...] = debian.SUITES


def _probe_micropython(bits: int, command: list[str]) -> str:
    said = _run_probe([*command, "-c", _MICROPYTHON_PROBE % bits])
    word, _, version = said.strip().partition(" ")
    if word != "fits":
        raise ToolError(
            f"expected a {bits}-bit MicroPython 1.24 or later with VfsLfs2, VfsRom, cryptolib and "
            f"deflate, got one that says {_last_line(said)!r}; name another or unset the variable"
        )
    return version


def _probe_mosquitto(command: list[str]) -> str:
    said = _run_probe([*command, "-h"])
    first = said.strip().partition("\n")[0]
    version = first.removeprefix("mosquitto version ")
    if version == first or int(version.partition(".")[0] or 0) < 2:
        raise ToolError(
            f"expected mosquitto 2.0 or later, got one that says {_last_line(first)!r}; "
            "name another or unset the variable"
        )
    return version


_MICROPYTHON_PACKAGES = (
    "micropython",
    "libc6",
    "libffi8",
    "libgcc-s1",
    "libmbedcrypto16",
    "libmbedtls21",
    "libmbedx509-7",
)

MICROPYTHON = Program(
    name="micropython",
    variable="LAMPLIGHTER_MICROPYTHON",
    on_path="micropython",
    architectures={"amd64": "amd64", "arm64": "arm64"},
    packages=_MICROPYTHON_PACKAGES,
    binary="usr/bin/micropython",
    probe=functools.partial(_probe_micropython, 64),
)
MICROPYTHON32 = Program(
    name="micropython32",
    variable="LAMPLIGHTER_MICROPYTHON32",
    on_path=None,
    architectures={"amd64": "i386", "arm64": "armhf"},
    packages=_MICROPYTHON_PACKAGES,
    binary="usr/bin/micropython",
    probe=functools.partial(_probe_micropython, 32),
)
MOSQUITTO = Program(
    name="mosquitto",
    variable="LAMPLIGHTER_MOSQUITTO",
    on_path="mosquitto",
    architectures={"amd64": "amd64", "arm64": "arm64"},
    packages=(
        "mosquitto",
        "libc6",
        "libcap2",
        "libcjson1",
        "libdlt2",
        "libgcc-s1",
        "libmosquitto1",
        "libssl3t64",
        "libsystemd0",
        "libwebsockets19t64",
        "libwrap0",
        "libzstd1",
        "zlib1g",
    ),
    binary="usr/sbin/mosquitto",
    probe=_probe_mosquitto,
    suites=debian.SUITES[:1],  # the next one's is built of other libraries
)
PROGRAMS = {program.name: program for program in (MICROPYTHON, MICROPYTHON32, MOSQUITTO)}


def micropython(bits: int = 64) -> list[str]:
    """The words that start MicroPython with ``bits`` (64 or 32) bit words; fetched when absent.

    Raises:
        ToolError: there is none and none can be fetched.
        ValueError: ``bits`` is neither 64 nor 32.
    """
    if bits not in (64, 32):
        raise ValueError(f"expected 64 or 32 bits, got {bits}")
    return command(MICROPYTHON if bits == 64 else MICROPYTHON32)


def mosquitto() -> list[str]:
    """The words that start the mosquitto broker; fetched when absent.

    Started as root it wants ``user root`` in its configuration, as no account is made for it.

    Raises:
        ToolError: there is none and none can be fetched.
    """
    return command(MOSQUITTO)


def command(program: Program) -> list[str]:
    """The words that start ``program``; it is fetched when it is nowhere yet.

    Raises:
        ToolError: the one named in its variable will not do, or none can be fetched.
    """
    named = os.environ.get(program.variable)
    return list(_located(program, named, os.environ.get("PATH", os.defpath), cache_folder()))


@functools.cache  # a probe starts the program, and tests ask for it by the hundred
def _located(program: Program, named: str | None, path: str, folder: Path) -> tuple[str, ...]:
    if named:
        try:
            program.probe([named])
        except ToolError as error:
            raise ToolError(f"{program.variable}={named}: {error}") from error
        return (named,)
    found = _on_path(program, path)
    if found:
        return (found,)
    return (str(fetch([program], folder)[0]),)


def _on_path(program: Program, path: str) -> str | None:
    """The program in the folders of ``path``, or None when there is none or it will not do."""
    if program.on_path is None:
        return None
    # Debian puts servers where the PATH of an ordinary user does not look.
    folders = os.pathsep.join([path, "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(program.on_path, path=folders)
    if found is None:
        return None
    try:
        program.probe([found])
    except ToolError:
        return None  # an old one on PATH is no mistake of the user's: ours is used instead
    return found


def fetch_absent(programs: Iterable[Program]) -> None:
    """Fetch those of ``programs`` that are neither named in a variable nor on PATH, in one go.

    Raises:
        ToolError: one could not be fetched.
    """
    path = os.environ.get("PATH", os.defpath)
    absent = [p for p in programs if not os.environ.get(p.variable) and not _on_path(p, path)]
    if absent:
        fetch(absent)


def fetch(programs: Iterable[Program], folder: Path | None = None) -> list[Path]:
    """Put ``programs`` in the cache folder where absent; returns the launcher of each, in order.

    Nothing is asked of the network when all are there.

    Raises:
        ToolError: one could not be fetched; those before it stay.
    """
    folder = folder or cache_folder()
    host = debian.host_architecture()
    wanted = [(program, _architecture(program, host)) for program in programs]
    launchers = [_launcher(folder, *pair) for pair in wanted]
    if all(launcher.is_file() for launcher in launchers):
        return launchers
    with locked(folder), tempfile.TemporaryDirectory(prefix=".apt.", dir=folder) as private:
        apt = _Apts(Path(private))
        for (program, architecture), launcher in zip(wanted, launchers, strict=True):
            if not launcher.is_file():
                _install(apt, program, architecture, launcher.parent.parent)
    return launchers


class _Apts:
    """An apt for each suite and architecture, made when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, str], debian.PrivateApt] = {}

    def of(self, suite: str, architecture: str) -> debian.PrivateApt:
        key = (suite, architecture)
        if key not in self._made:
            folder = self._folder / "-".join(key)
            self._made[key] = debian.PrivateApt(folder, suite, architecture)
        return self._made[key]


def _install(apts: _Apts, program: Program, architecture: str, target: Path) -> None:
    failures: list[str] = []
    for suite in program.suites:
        try:
            _install_from(apts.of(suite, architecture), program, architecture, target)
        except ToolError as error:
            failures.append(f"{suite}: {error}")
        else:
            return
    raise ToolError("; ".join(failures))


def _install_from(
    apt: debian.PrivateApt, program: Program, architecture: str, target: Path
) -> None:
    with whole_or_nothing(target) as root:
        names = debian.unpack(apt, [f"{name}:{architecture}" for name in program.packages], root)
        (root / "packages.txt").write_text("\n".join([*names, ""]))
        launcher = debian.write_launcher(root, program.name, program.binary, architecture)
        program.probe([str(launcher)])


def _architecture(program: Program, host: str) -> str:
    if host not in program.architectures:
        raise ToolError(
            f"expected a machine of {' or '.join(program.architectures)} to fetch {program.name} "
            f"for, got {host}; install it by hand and name it in {program.variable}"
        )
    return program.architectures[host]


def _launcher(folder: Path, program: Program, architecture: str) -> Path:
    root = folder / f"{program.name}-{architecture}-{RECIPE}"
    return root / "bin" / program.name


def _run_probe(command: list[str]) -> str:
    """What a command says on both its outputs, whatever its exit code (mosquitto -h ends in 3)."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(
            f"expected a program that runs here, got {error}; name another in its variable"
        ) from error
    return done.stdout


def _last_line(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1] if lines else ""

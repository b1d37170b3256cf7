"""Programs out of Debian packages, as any user and without touching the system.

apt is given a private state, cache and source list; packages are downloaded, checked against
Debian's archive keys by apt itself, unpacked with ``dpkg-deb`` and started through the unpacked
loader with the unpacked libraries, so the host's own libc does not matter.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from simulators.tools.errors import ToolError

SUITES = ("trixie", "forky")
"""The Debian releases packages are taken from, in this order: the first carries MicroPython, the
next stands in while a mirror's copy of the first is in disorder."""

LOADERS = {
    "amd64": "ld-linux-x86-64.so.2",
    "i386": "ld-linux.so.2",
    "arm64": "ld-linux-aarch64.so.1",
    "armhf": "ld-linux-armhf.so.3",
}
"""Debian's architectures we start programs of, each with the name of its dynamic loader."""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_APT_SECONDS = 300
_MAIN_INDEX = "$(CREATED_BY)|$(COMPONENT)|$(ORIGIN)|$(RELEASE)|$(SITE)"


def host_architecture() -> str:
    """Debian's name for the architecture of this machine, such as ``amd64``."""
    return _output("dpkg", "--print-architecture").strip()


class PrivateApt:
    """An apt of our own in ``folder``, pointed at the mirror that the host's apt is set up with.

    It knows one suite and one architecture, so that disorder of another's lists does not matter.
    The package lists are fetched once, at the first download.
    """

    def __init__(self, folder: Path, suite: str, architecture: str) -> None:
        self._folder = folder
        self._suite = suite
        self._architecture = architecture
        self._ready = False

    def download(self, packages: Sequence[str], into: Path) -> list[Path]:
        """Download ``packages`` (``name:architecture``) and return the files, sorted by name.

        Raises:
            ToolError: apt is missing, or the mirror does not have what is asked for.
        """
        self._update()
        self._apt("download", *packages, cwd=into)
        return sorted(into.glob("*.deb"))

    def dependency(self, package: str, prefix: str) -> str:
        """The first package that ``package`` depends on whose name begins with ``prefix``.

        Raises:
            ToolError: apt is missing, or knows of none.
        """
        self._update()
        env = {"APT_CONFIG": f"{self._folder}/apt.conf"}
        for line in _output("apt-cache", "depends", package, env=env).splitlines():
            kind, _, name = line.strip().partition(": ")
            if kind == "Depends" and name.startswith(prefix):
                return name
        raise ToolError(f"expected {package} to depend on a {prefix}*, it does not; {_BY_HAND}")

    def _update(self) -> None:
        if not self._ready:
            self._set_up()
            self._apt("update", "--error-on=any")
            self._ready = True

    def _set_up(self) -> None:
        for sub in ("state/lists/partial", "cache/archives/partial"):
            (self._folder / sub).mkdir(parents=True)
        (self._folder / "status").touch()
        signed_by = f" signed-by={KEYRING}" if KEYRING.exists() else ""
        (self._folder / "sources.list").write_text(
            f"deb [arch={self._architecture}{signed_by}] {_mirror()} {self._suite} main\n"
        )
        (self._folder / "apt.conf").write_text(self._configuration())

    def _configuration(self) -> str:
        """Nothing of the host's apt but how it reaches the network: no pins, no hooks."""
        here = self._folder
        own = [
            'Dir::Etc::main "/dev/null";',
            'Dir::Etc::parts "/dev/null";',
            'Dir::Etc::preferences "/dev/null";',
            'Dir::Etc::preferencesparts "/dev/null";',
            f'Dir::Etc::sourcelist "{here}/sources.list";',
            'Dir::Etc::sourceparts "/dev/null";',
            f'Dir::State "{here}/state";',
            f'Dir::State::status "{here}/status";',
            f'Dir::Cache "{here}/cache";',
            f'APT::Architectures {{ "{self._architecture}"; }};',
            f'APT::Architecture "{self._architecture}";',
            # As root, apt would download as a user who cannot read root's own cache folder.
            'APT::Sandbox::User "root";',
            'Acquire::GzipIndexes "true";',
            'Acquire::Languages "none";',
        ]
        network = [
            line
            for line in _output("apt-config", "dump").splitlines()
            if re.match(r"Acquire::(?!Languages|GzipIndexes)", line)
        ]
        return "\n".join([*own, *network, ""])

    def _apt(self, *arguments: str, cwd: Path | None = None) -> None:
        _output(
            "apt-get", "-qq", *arguments, cwd=cwd, env={"APT_CONFIG": f"{self._folder}/apt.conf"}
        )


def unpack(apt: PrivateApt, packages: Sequence[str], into: Path) -> list[str]:
    """Download ``packages`` and unpack them in ``into``; returns the names of the package files.

    The package files are not kept.

    Raises:
        ToolError: apt or dpkg-deb failed.
    """
    names: list[str] = []
    for package in apt.download(packages, into):
        _output("dpkg-deb", "-x", str(package), str(into))
        package.unlink()
        names.append(package.name)
    return names


def write_launcher(root: Path, name: str, binary: str, architecture: str) -> Path:
    """Write ``root/bin/name``, which starts ``root/binary`` with the libraries under ``root``.

    Returns the launcher. It finds its folder by its own path, so ``root`` may be renamed.

    Raises:
        ToolError: the loader or a library the binary needs is not among the unpacked files.
    """
    loader = _only_file(root, LOADERS[architecture])
    folder = _only_file(root, "libc.so.6").parent
    if not (root / binary).is_file():
        raise ToolError(f"expected {binary} among the unpacked files, got none; {_BY_HAND}")
    libraries(loader, folder, root / binary)
    words = [f'"$root/{path.relative_to(root)}"' for path in (loader, folder, root / binary)]
    launcher = root / "bin" / name
    launcher.parent.mkdir()
    launcher.write_text(
        "#!/bin/sh\n"
        f"# Starts Debian's {shlex.quote(name)} with the loader and libraries unpacked beside it.\n"
        "root=${0%/bin/*}\n"
        f'exec {words[0]} --library-path {words[1]} {words[2]} "$@"\n'
    )
    launcher.chmod(0o755)
    return launcher


_BY_HAND = "install the program by hand and name it in its LAMPLIGHTER_ variable"


def libraries(loader: Path, folder: Path, binary: Path) -> list[Path]:
    """The libraries in ``folder`` that ``binary`` needs, found by the unpacked ``loader``.

    Raises:
        ToolError: one is not there: the host's may not fit the unpacked libc.
    """
    listing = _output(str(loader), "--library-path", str(folder), "--list", str(binary))
    found: list[Path] = []
    for line in listing.splitlines():
        name, arrow, place = line.strip().partition(" => ")
        if not arrow or name.startswith("/"):
            continue  # the kernel's own, and the loader
        path = Path(place.rpartition(" (")[0])
        if path.parent != folder:
            raise ToolError(
                f"expected {name} for {binary.name} among the unpacked packages, got {place}; "
                "add its package to the list that has the program's"
            )
        found.append(path)
    return found


def _only_file(root: Path, name: str) -> Path:
    found = sorted(path for path in root.rglob(name) if path.is_file() and not path.is_symlink())
    if not found:
        raise ToolError(f"expected {name} among the unpacked files, got none; {_BY_HAND}")
    return found[0]


def _mirror() -> str:
    """The site of Debian's main archive among those the host's apt is set up with."""
    plain: list[str] = []
    for line in _output("apt-get", "indextargets", "--format", _MAIN_INDEX).splitlines():
        fields = line.split("|", 4)
        if len(fields) != 5:
            continue
        created_by, component, origin, release, site = fields
        if created_by != "Packages" or component != "main" or release.endswith("-security"):
            continue
        if origin == "Debian":
            return site
        # Before the host's first "apt-get update" nobody knows the origin of any of them.
        if origin in ("", "$(ORIGIN)"):
            plain.append(site)
    if not plain:
        raise ToolError(
            "expected a Debian mirror among apt's sources, got none "
            f"(apt-get indextargets); {_BY_HAND}"
        )
    return plain[0]


def _output(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_APT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise ToolError(
            f"expected {command[0]} (this is how programs are fetched on Debian), "
            f"got none on PATH; {_BY_HAND}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"expected {shlex.join(command)} to end within {_APT_SECONDS} s, it did not; "
            "see to the network and run it again"
        ) from error
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise ToolError(
            f"expected {shlex.join(command)} to succeed, got exit code {done.returncode} "
            f"({said}); see to the network or apt's mirror and run it again, or {_BY_HAND}"
        )
    return done.stdout

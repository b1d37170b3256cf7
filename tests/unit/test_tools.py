"""Obtaining MicroPython and mosquitto: from a variable, from PATH, from Debian's packages."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.tools import ToolError, debian, micropython, programs
from simulators.tools.cache import cache_folder, locked, whole_or_nothing

ROOT = Path(__file__).parents[2]

WriteProgram = Callable[[str, str], Path]


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteProgram:
    """Puts a shell script first on PATH; nothing it would be confused with is in a variable."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    for program in programs.PROGRAMS.values():
        monkeypatch.delenv(program.variable, raising=False)

    def write(name: str, body: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return write


def tools(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """The command line as the Makefile starts it, but without any installed package (-S)."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "simulators.tools", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


# ---------------------------------------------------------------------------- the cache folder


def test_cache_folder_is_the_named_one_then_xdgs_then_the_homes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/engineer")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/xdg")
    monkeypatch.setenv("LAMPLIGHTER_CACHE", "/srv/programs")
    assert cache_folder() == Path("/srv/programs")
    monkeypatch.delenv("LAMPLIGHTER_CACHE")
    assert cache_folder() == Path("/var/xdg/lamplighter")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_folder() == Path("/home/engineer/.cache/lamplighter")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path("/home/engineer/.cache/lamplighter")


def test_unpacking_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def unpack() -> None:
        with whole_or_nothing(tmp_path / "program") as root:
            (root / "half").write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        unpack()
    assert list(tmp_path.iterdir()) == []


def test_unpacking_that_succeeds_replaces_what_was_there(tmp_path: Path) -> None:
    for generation in ("old", "new"):
        with whole_or_nothing(tmp_path / "program") as root:
            (root / generation).touch()
    assert [path.name for path in tmp_path.iterdir()] == ["program"]
    assert [path.name for path in (tmp_path / "program").iterdir()] == ["new"]


def test_lock_keeps_others_out_until_it_is_given_back(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "cache"),
        (tmp_path / "cache" / "lock").open("w") as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (tmp_path / "cache" / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_cache_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ToolError, match="name another in LAMPLIGHTER_CACHE"):
        locked(tmp_path / "file" / "cache").__enter__()


# ------------------------------------------------------------------- which program is taken


def test_program_named_in_its_variable_is_taken(
    on_path: WriteProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = on_path("my-broker", "echo mosquitto version 2.0.99; exit 3")
    monkeypatch.setenv("LAMPLIGHTER_MOSQUITTO", str(mine))
    assert programs.mosquitto() == [str(mine)]


@pytest.mark.parametrize(
    ("variable", "name", "said"),
    [
        ("LAMPLIGHTER_MICROPYTHON", "micropython", "ImportError: no module named 'vfs'"),
        ("LAMPLIGHTER_MICROPYTHON32", "micropython32", "AssertionError: 9223372036854775807"),
        ("LAMPLIGHTER_MOSQUITTO", "mosquitto", "mosquitto version 1.5.7"),
    ],
)
def test_program_named_in_its_variable_that_will_not_do_is_refused_in_one_line(
    on_path: WriteProgram, variable: str, name: str, said: str
) -> None:
    old = on_path("old", f'echo "{said}"')
    done = tools("path", name, **{variable: str(old)})
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"simulators.tools: {variable}={old}: expected ")
    assert repr(said) in line
    assert "name another or unset the variable" in line


def test_program_named_in_its_variable_that_is_not_there_is_refused_in_one_line() -> None:
    done = tools("path", "micropython", LAMPLIGHTER_MICROPYTHON="/nowhere/micropython")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "LAMPLIGHTER_MICROPYTHON=/nowhere/micropython: expected a program that runs" in line


def test_good_program_on_path_is_taken(on_path: WriteProgram) -> None:
    good = on_path("mosquitto", "echo mosquitto version 2.0.99; exit 3")
    assert programs.mosquitto() == [str(good)]


def test_old_interpreter_on_path_is_passed_over_for_the_fetched_one(on_path: WriteProgram) -> None:
    old = on_path("micropython", "echo ImportError: no module named 'vfs'")
    (taken,) = micropython(64)
    assert taken != str(old)
    assert Path(taken).name == "micropython"


def test_32_bit_interpreter_never_comes_from_path(on_path: WriteProgram) -> None:
    on_path("micropython32", "echo fits 1.26.0")
    (taken,) = micropython(32)
    assert "i386" in taken or "armhf" in taken


def test_word_size_nobody_makes_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 64 or 32 bits, got 16"):
        micropython(16)


def test_command_line_prints_where_a_program_is_without_any_installed_package() -> None:
    done = tools("path", "micropython")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == micropython(64)


def test_fetching_what_is_there_asks_nothing_of_the_network(on_path: WriteProgram) -> None:
    for name in programs.PROGRAMS:
        tools("path", name)
    on_path("apt-get", "echo apt-get was started >&2; exit 100")
    done = tools("fetch")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == sorted(programs.PROGRAMS)


def test_machine_debian_has_no_packages_for_is_told_what_to_do(
    on_path: WriteProgram, tmp_path: Path
) -> None:
    on_path("dpkg", "echo s390x")
    done = tools("path", "micropython32", LAMPLIGHTER_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 1
    assert "got s390x; install it by hand and name it in LAMPLIGHTER_MICROPYTHON32" in done.stderr


# --------------------------------------------------------------------------- Debian's packages

CURRENT = "Packages|main|Debian|bookworm|http://mirror.example/debian"
UNREAD = "Packages|main|$(ORIGIN)|bookworm|http://mirror.example/debian"
SECURITY = "Packages|main|Debian|bookworm-security|http://mirror.example/debian-security"
OTHER = "Packages|main|Elsewhere|stable|http://other.example/apt"
SOURCES = "Sources|main|Debian|bookworm|http://sources.example/debian"


def fake_apt(on_path: WriteProgram, targets: list[str], journal: Path, fails: str = "") -> None:
    """An apt that knows ``targets``, keeps a journal of its calls and "downloads" empty files."""
    lines = "\n".join(targets)
    on_path("dpkg", "echo amd64")
    on_path(
        "apt-config",
        """echo 'Acquire::http::Proxy "http://proxy.example:3128";'
echo 'APT::Update::Post-Invoke:: "touch /of/the/host";'""",
    )
    on_path(
        "apt-get",
        f"""
if [ "$1" = indextargets ]; then cat <<'TARGETS'
{lines}
TARGETS
exit 0; fi
shift
echo "$*" >> {journal}
cat "$(dirname "$APT_CONFIG")/sources.list" "$APT_CONFIG" >> {journal}.configuration
{fails}
if [ "$1" = download ]; then shift; for p; do touch "$p.deb"; done; fi""",
    )


@pytest.mark.parametrize(
    "targets",
    [[SOURCES, OTHER, SECURITY, CURRENT], [SOURCES, SECURITY, UNREAD]],
    ids=["lists read", "lists never read"],
)
def test_packages_come_from_the_mirror_apt_is_set_up_with(
    on_path: WriteProgram, tmp_path: Path, targets: list[str]
) -> None:
    fake_apt(on_path, targets, tmp_path / "journal")
    (tmp_path / "apt").mkdir()
    apt = debian.PrivateApt(tmp_path / "apt", "trixie", "i386")
    files = apt.download(["b:i386", "a:i386"], tmp_path)
    assert [path.name for path in files] == ["a:i386.deb", "b:i386.deb"]
    configuration = (tmp_path / "journal.configuration").read_text()
    source = configuration.splitlines()[0]
    assert source.startswith("deb [arch=i386")
    assert source.endswith("] http://mirror.example/debian trixie main")
    assert f'Dir::State "{tmp_path}/apt/state";' in configuration
    assert "proxy.example" in configuration, "the way to the network is the host's"
    assert "Post-Invoke" not in configuration, "the host's hooks are not run"


def test_package_lists_are_fetched_once(on_path: WriteProgram, tmp_path: Path) -> None:
    fake_apt(on_path, [CURRENT], tmp_path / "journal")
    (tmp_path / "apt").mkdir()
    apt = debian.PrivateApt(tmp_path / "apt", "trixie", "amd64")
    apt.download(["a:amd64"], tmp_path)
    apt.download(["b:amd64"], tmp_path)
    assert (tmp_path / "journal").read_text().splitlines() == [
        "update --error-on=any",
        "download a:amd64",
        "download b:amd64",
    ]


@pytest.mark.parametrize("targets", [[], [OTHER], [SOURCES, SECURITY]])
def test_host_without_a_debian_mirror_is_told_what_to_do(
    on_path: WriteProgram, tmp_path: Path, targets: list[str]
) -> None:
    fake_apt(on_path, targets, tmp_path / "journal")
    with pytest.raises(ToolError, match="expected a Debian mirror among apt's sources"):
        debian.PrivateApt(tmp_path / "apt", "trixie", "amd64").download(["a:amd64"], tmp_path)


def test_mirror_that_cannot_be_reached_leaves_nothing_and_says_what_apt_said(
    on_path: WriteProgram, tmp_path: Path
) -> None:
    fake_apt(on_path, [CURRENT], tmp_path / "journal", fails="echo no route >&2; exit 100")
    cache = tmp_path / "cache"
    done = tools("path", "micropython32", LAMPLIGHTER_CACHE=str(cache))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "got exit code 100 (no route)" in line
    assert "LAMPLIGHTER_" in line
    assert [path.name for path in cache.iterdir()] == ["lock"]


def test_host_without_apt_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolError, match=r"expected dpkg .* got none on PATH; install the program"):
        debian.host_architecture()


@pytest.fixture(scope="module")
def unpacked() -> Path:
    """The folder of the fetched 64-bit interpreter."""
    return programs.fetch([programs.MICROPYTHON])[0].parents[1]


def relaunch(unpacked: Path, copy: Path) -> Path:
    shutil.copytree(unpacked, copy, symlinks=True, ignore=shutil.ignore_patterns("bin", "share"))
    shutil.copytree(unpacked / "usr/bin", copy / "usr/bin")
    return copy


def test_launcher_works_wherever_its_folder_is_moved(unpacked: Path, tmp_path: Path) -> None:
    root = relaunch(unpacked, tmp_path / "made here")
    architecture = debian.host_architecture()
    debian.write_launcher(root, "micropython", "usr/bin/micropython", architecture)
    moved = root.rename(tmp_path / "moved there")
    said = subprocess.run(
        [moved / "bin/micropython", "-c", "import sys; print(sys.argv)", "an argument"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "['-c', 'an argument']"


def test_library_missing_from_the_packages_is_noticed_even_when_the_host_has_it(
    unpacked: Path, tmp_path: Path
) -> None:
    root = relaunch(unpacked, tmp_path / "short of one")
    for library in root.rglob("libffi.so*"):
        library.unlink()
    architecture = debian.host_architecture()
    with pytest.raises(ToolError, match=r"expected libffi\.so\.8 for micropython"):
        debian.write_launcher(root, "micropython", "usr/bin/micropython", architecture)


@pytest.mark.parametrize("absent", ["usr/bin/micropython", "libc.so.6"])
def test_package_without_what_it_should_hold_is_noticed(
    unpacked: Path, tmp_path: Path, absent: str
) -> None:
    root = relaunch(unpacked, tmp_path / "copy")
    for path in root.rglob(Path(absent).name):
        path.unlink()
    architecture = debian.host_architecture()
    with pytest.raises(ToolError, match=f"expected {absent} among the unpacked files, got none"):
        debian.write_launcher(root, "micropython", "usr/bin/micropython", architecture)

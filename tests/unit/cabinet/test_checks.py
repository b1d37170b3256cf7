"""What the doctor looks at on this machine, one thing at a time."""

from __future__ import annotations

import fcntl
import io
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from gateway.cabinet import adapters, clock_state, disk, processes, serial_ports, services
from gateway.cabinet.findings import Finding, Level, fail, ok, show, warn
from gateway.cabinet.processes import Holder
from gateway.config import BusSection

NOW = 1_800_000_000.0


def levels(findings: Sequence[Finding]) -> list[str]:
    return [finding.level.value for finding in findings]


def test_a_report_fits_80_columns_and_says_what_to_do() -> None:
    text = io.StringIO()
    found = [
        ok("disk", "plenty"),
        warn("bluetooth hci0", "w" * 20 + " " + "x" * 90, "mend it " * 20),
        fail("serial north", "gone", "[plug] it in"),
    ]
    show(found, Console(file=text, width=80))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["ok", "disk", "plenty"]
    assert "-> [plug] it in" in lines[-1]


# -- serial


@pytest.fixture
def port() -> Iterator[Path]:
    """A serial port that opens, but knows no RS-485 mode."""
    master, slave = os.openpty()
    yield Path(os.ttyname(slave))
    os.close(master)
    os.close(slave)


@pytest.fixture
def unheld(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else is on any device: a pty is always open in the process that made it."""
    monkeypatch.setattr(processes, "openers", lambda *_: [])


def bus(port: Path | str, rs485: bool = False) -> BusSection:
    return BusSection.model_validate({"port": str(port), "rs485": rs485})


@pytest.mark.usefixtures("unheld")
def test_a_port_that_opens_is_fine(port: Path) -> None:
    [found] = serial_ports.check("north", bus(port), None)
    assert (found.level, found.about) == (Level.OK, "serial north")
    assert "115200" in found.found


@pytest.mark.usefixtures("unheld")
def test_a_driver_without_rs485_mode_is_told_of(port: Path) -> None:
    [found] = serial_ports.check("north", bus(port, rs485=True), None)
    assert found.level is Level.FAIL
    assert "no RS-485 mode" in found.found
    assert "rs485 = false" in found.action


def test_a_port_that_is_not_there_or_no_port(tmp_path: Path) -> None:
    [gone] = serial_ports.check("north", bus(tmp_path / "ttyUSB9"), None)
    assert gone.level is Level.FAIL
    assert "No such file" in gone.found
    (tmp_path / "file").touch()
    assert "no device" in serial_ports.check("north", bus(tmp_path / "file"), None)[0].found
    [usb] = serial_ports.check("north", bus("usb:1234:5678:none"), None)
    assert usb.level is Level.FAIL


HOLD = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
if len(sys.argv) > 2:
    fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold() -> Iterator[Callable[..., int]]:
    """A process that has a file open, and locked when asked to; gives its id."""
    started: list[subprocess.Popen[bytes]] = []

    def start(file: Path, *lock: str) -> int:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(file), *lock],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        return process.pid

    yield start
    for process in started:
        process.communicate()


def test_somebody_else_on_the_port_is_named(port: Path, hold: Callable[..., int]) -> None:
    process = hold(port)
    assert process in [one.process for one in processes.openers(port)]
    [found] = serial_ports.check("north", bus(port), None)
    assert found.level is Level.FAIL
    assert f"process {process} (python" in found.found


def test_our_own_gateway_on_the_port_is_no_failure(port: Path, hold: Callable[..., int]) -> None:
    process = hold(port, "lock")
    assert processes.lock_holder(port) == Holder(process, processes.openers(port)[0].name)
    [found] = serial_ports.check("north", bus(port), process)
    assert found.level is Level.OK
    assert f"running gateway (process {process})" in found.found


@pytest.mark.parametrize(
    ("name", "level", "action"),
    [
        ("agetty", Level.FAIL, "serial console"),
        ("ModemManager", Level.FAIL, "modemmanager"),
        ("lamplighter-gat", Level.WARN, "root"),
        ("minicom", Level.FAIL, "end that process"),
    ],
)
def test_what_to_do_depends_on_who_holds_it(
    port: Path, monkeypatch: pytest.MonkeyPatch, name: str, level: Level, action: str
) -> None:
    monkeypatch.setattr(processes, "openers", lambda *_: [Holder(77, name)])
    [found] = serial_ports.check("north", bus(port), None)
    assert found.level is level
    assert action in found.action


def test_a_lock_that_nobody_holds(tmp_path: Path) -> None:
    (tmp_path / "gateway.lock").touch()
    assert processes.gateway_process(tmp_path) is None
    assert processes.gateway_process(tmp_path / "none") is None
    with (tmp_path / "gateway.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert processes.gateway_process(tmp_path) == os.getpid()


def test_a_lock_that_the_kernel_lists_under_other_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hold: Callable[..., int]
) -> None:
    """As an overlay file system has it."""
    monkeypatch.setattr(processes, "lock_holder", lambda *_: None)
    lock = tmp_path / "gateway.lock"
    lock.touch()
    process = hold(lock, "lock")
    lock.write_text(f"gateway cabinet-1, process {process}\n")
    assert processes.gateway_process(tmp_path) == process
    lock.write_text(f"gateway cabinet-1, process {os.getpid()}\n")
    assert processes.gateway_process(tmp_path) is None
    lock.write_text("rubbish")
    assert processes.gateway_process(tmp_path) is None


def test_ports_have_their_stable_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Told:
        device, name, description = str(tmp_path / "ttyUSB0"), "ttyUSB0", "RS-485 adapter"

    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "by-id").mkdir()
    link = tmp_path / "by-id/usb-RS485"
    link.symlink_to("../ttyUSB0")
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [Told])
    [found] = serial_ports.find(tmp_path / "by-id")
    assert (found.stable, found.description) == (link, "RS-485 adapter")


# -- clock


def test_a_clock_before_this_software_is_a_failure(tmp_path: Path) -> None:
    found = clock_state.check(tmp_path, tmp_path / "rtc", now=86_400.0)
    assert found[0].level is Level.FAIL
    assert "1970-01-02" in found[0].found


@pytest.mark.parametrize(
    ("told", "level"),
    [(None, "warn"), ((False, 16.0), "warn"), ((True, 16.0), "warn"), ((True, 0.01), "ok")],
)
def test_the_kernels_word_on_ntp(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: tuple[bool, float] | None,
    level: str,
) -> None:
    monkeypatch.setattr(clock_state, "synchronised", lambda: told)
    assert levels(clock_state.check(tmp_path, tmp_path / "rtc", NOW))[:2] == ["ok", level]


def test_the_kernel_is_asked_indeed() -> None:
    told = clock_state.synchronised()
    assert told is not None
    assert 0 <= told[1] < 3600


def test_a_clock_that_was_set_back_since_the_last_run(tmp_path: Path) -> None:
    database = tmp_path / "gateway.db"
    database.touch()
    os.utime(database, (NOW, NOW + 7200))
    found = clock_state.check(tmp_path, tmp_path / "rtc", NOW)
    [wrong] = [one for one in found if one.level is Level.FAIL]
    assert wrong.found.startswith("the database was last written 2.0 h in the future")


def test_the_rtc(tmp_path: Path) -> None:
    clock = tmp_path / "rtc0"
    assert clock_state.check(tmp_path, tmp_path / "none", NOW)[-1].found == "none"
    clock.mkdir()
    assert clock_state.check(tmp_path, tmp_path, NOW)[-1].found == "none that keeps time"
    (clock / "since_epoch").write_text(f"{NOW + 3:.0f}\n")
    assert clock_state.check(tmp_path, tmp_path, NOW)[-1] == ok("RTC", "rtc0 agrees")
    (clock / "since_epoch").write_text("0\n")
    assert clock_state.check(tmp_path, tmp_path, NOW)[-1].level is Level.WARN


# -- disk


def test_a_new_data_folder_is_fine(tmp_path: Path) -> None:
    found = disk.check(tmp_path / "data", 1, tmp_path)
    assert set(levels(found)) == {"ok"}
    assert "not there yet" in found[-1].found


def test_a_data_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    [found] = disk.check(tmp_path / "data", 1, tmp_path)
    assert found.level is Level.FAIL


def test_too_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk.check(tmp_path, 1 << 60, tmp_path)[0].level is Level.WARN
    monkeypatch.setattr(disk, "DISK_CRITICAL_BYTES", 1 << 62)
    assert disk.check(tmp_path, 1, tmp_path)[0].level is Level.FAIL


@pytest.mark.parametrize(
    ("life", "level", "said"),
    [
        ("0x01 0x02", "ok", "10 to 20 %"),
        ("0x01 0x0A", "warn", "90 to 100 %"),
        ("0x0B 0x01", "FAIL", "beyond"),
        ("rubbish", "ok", "does not say"),
    ],
)
def test_wear_is_what_the_card_says(tmp_path: Path, life: str, level: str, said: str) -> None:
    there = os.stat(tmp_path).st_dev
    node = tmp_path / f"{os.major(there)}:{os.minor(there)}"
    (node / "device").mkdir(parents=True)
    (node / "device/life_time").write_text(life)
    found = [one for one in disk.check(tmp_path, 1, tmp_path) if one.about == "disk wear"]
    assert (found[0].level, said in found[0].found) == (level, True)


def test_the_database_is_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "gateway.db"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE record (body BLOB)")
    connection.executemany("INSERT INTO record VALUES (?)", [(bytes(4000),)] * 100)
    connection.commit()
    # Beside a gateway that has it open.
    assert disk.check(tmp_path, 1, tmp_path)[-1].found.endswith("sound")
    connection.close()
    with file.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * 4096 * 20)
    damaged = disk.check(tmp_path, 1, tmp_path)[-1]
    assert damaged.level is Level.FAIL
    file.with_name("gateway.db.damage").touch()
    assert "marked as damaged" in disk.check(tmp_path, 1, tmp_path)[-1].found
    (tmp_path / "gateway.db.damaged-1").touch()
    assert disk.check(tmp_path, 1, tmp_path)[-1].level is Level.WARN


# -- bluetooth


def make_adapter(sys: Path, name: str = "hci0", soft: str = "0", hard: str = "0") -> None:
    switch = sys / "bluetooth" / name / "rfkill3"
    switch.mkdir(parents=True)
    (switch / "soft").write_text(soft)
    (switch / "hard").write_text(hard)
    (switch.parent / "address").write_text("00:11:22:33:44:55\n")


@pytest.mark.parametrize(
    ("soft", "hard", "said", "level"),
    [
        ("0", "0", "b true\n", "ok"),
        ("0", "0", "b false\n", "FAIL"),
        ("0", "0", None, "FAIL"),
        ("1", "0", "b true\n", "FAIL"),
        ("0", "1", "b true\n", "FAIL"),
    ],
)
def test_an_adapter(tmp_path: Path, soft: str, hard: str, said: str | None, level: str) -> None:
    make_adapter(tmp_path, "hci0", soft, hard)
    assert levels(adapters.check(["hci0"], tmp_path, lambda _: said)) == [level]


def test_adapters_that_are_not_there_or_not_ours(tmp_path: Path) -> None:
    assert adapters.find(tmp_path) == []
    make_adapter(tmp_path, "hci1")
    found = adapters.check(["hci0", "tcp-client:1"], tmp_path, lambda _: "b true")
    assert levels(found) == ["FAIL", "ok"]
    assert "there is hci1" in found[0].found


def test_a_program_that_hangs_or_fails_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "_TIMEOUT_S", 0.1)
    began = time.monotonic()
    assert adapters.run(["sleep", "60"]) is None
    assert time.monotonic() - began < 30
    assert adapters.run(["false"]) is None
    assert adapters.run(["no-such-program"]) is None
    assert adapters.run(["echo", "there"]) == "there\n"


# -- service

RUNS = "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\n"


@pytest.mark.parametrize(
    ("said", "process", "expected"),
    [
        (f"{RUNS}NRestarts=0\nUnitFileState=enabled\n", 5, ["ok"]),
        (f"{RUNS}NRestarts=9\nUnitFileState=enabled\n", 5, ["warn"]),
        (f"{RUNS}NRestarts=0\nUnitFileState=disabled\n", 5, ["ok", "warn"]),
        ("LoadState=not-found\n", None, ["FAIL"]),
        ("LoadState=not-found\n", 5, ["warn"]),
        (
            "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=watchdog\n"
            "UnitFileState=enabled\n",
            None,
            ["FAIL"],
        ),
        ("LoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\n", 5, ["warn"]),
        (None, None, ["warn"]),
    ],
)
def test_the_service(
    tmp_path: Path, said: str | None, process: int | None, expected: list[str]
) -> None:
    assert levels(services.check(process, tmp_path, lambda _: said)) == expected


def test_a_machine_without_systemd(tmp_path: Path) -> None:
    [found] = services.check(None, tmp_path / "none", lambda _: RUNS)
    assert (found.level, found.action) == (Level.WARN, "start it yourself")
    [found] = services.check(1, tmp_path / "none", lambda _: RUNS)
    assert (found.level, "start it" in found.action) == (Level.WARN, False)

"""The disk that the data folder is on: room, health, and the database on it."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from gateway import data_dir as folder_of
from gateway.cabinet.findings import Finding, fail, ok, warn
from gateway.metrics.health import DISK_CRITICAL_BYTES, DISK_WARNING_BYTES

_BLOCK = Path("/sys/dev/block")
_FEWEST_INODES = 1000
# Checking a large database beside a gateway that uses it must not go on for minutes.
_CHECK_S = 10.0
_STEPS = 10_000
# eMMC's life time estimates (JEDEC JESD84-B51, EXT_CSD 268 and 269): tenths used, 0x0B is over.
_WORN = 9
_OVER = 11


def check(folder: Path, max_bytes: int, block: Path = _BLOCK) -> list[Finding]:
    """Look at the disk of the data folder `folder`, whose buffer may grow to `max_bytes`."""
    why = folder_of.problem(folder)
    if why is not None:
        return [
            fail(
                "data folder",
                f"{folder}: {why}",
                f"sudo install -d -o lamplighter -g lamplighter -m 700 {folder}, or check as the "
                "gateway's user",
            )
        ]
    there = folder
    while not there.exists():
        there = there.parent
    disk = os.statvfs(there)
    findings = [_room(folder, there, disk, max_bytes)]
    if disk.f_files and disk.f_favail < _FEWEST_INODES:
        findings.append(
            fail("disk", f"{disk.f_favail} inodes left", "remove what fills the disk with files")
        )
    findings += _wear(there, block)
    findings.append(_database(folder / folder_of.DATABASE))
    findings += _aside(folder)
    return findings


def _room(folder: Path, there: Path, disk: os.statvfs_result, max_bytes: int) -> Finding:
    if disk.f_flag & os.ST_RDONLY:
        return fail(
            "disk",
            f"the disk of {folder} is mounted read-only",
            "look at `dmesg` for I/O errors: a memory card that goes read-only is at its end, "
            "replace it",
        )
    free = disk.f_bavail * disk.f_frsize
    said = f"{free / 1e6:.0f} MB free on the disk of {folder}"
    if free < DISK_CRITICAL_BYTES:
        return fail("disk", said, "make room: du -xh / | sort -h | tail")
    used = _size(there)
    if free < DISK_WARNING_BYTES or free < max_bytes - used:
        return warn(
            "disk",
            f"{said}, and the buffer may grow by {(max_bytes - used) / 1e6:.0f} MB",
            "make room, or set max_bytes in [buffer] to what there is",
        )
    return ok("disk", said)


def _size(folder: Path) -> int:
    try:
        return os.stat(folder / folder_of.DATABASE).st_size
    except OSError:
        return 0


def _wear(there: Path, block: Path) -> list[Finding]:
    device = os.stat(there).st_dev
    node = block / f"{os.major(device)}:{os.minor(device)}"
    if not node.exists():
        return []
    # A partition's folder is inside its disk's.
    real = Path(os.path.realpath(node))
    for folder in (real / "device", real.parent / "device"):
        try:
            words = (folder / "life_time").read_text(encoding="ascii").split()
            tenths = max(int(word, 16) for word in words)
        except (OSError, ValueError):
            continue
        if tenths >= _OVER:
            return [fail("disk wear", "beyond its rated life", "replace it")]
        said = f"{(tenths - 1) * 10} to {tenths * 10} % of its rated life used"
        if tenths >= _WORN:
            return [warn("disk wear", said, "replace it at the next visit")]
        return [ok("disk wear", said)]
    return [ok("disk wear", "this disk does not say (SD cards do not)")]


def _database(file: Path) -> Finding:
    about = "database"
    if not file.exists():
        return ok(about, f"{file}: not there yet, the gateway makes it at its first start")
    if file.with_name(file.name + ".damage").exists():
        return fail(
            about,
            f"{file} is marked as damaged",
            "start the gateway (again): it sets it aside and salvages what can be read",
        )
    try:
        found, finished = _quick_check(file)
    except sqlite3.Error as error:
        return fail(
            about,
            f"{file} cannot be read ({error})",
            "check as the gateway's user or as root; if it is damaged, the gateway sets it aside "
            "at its next start and salvages what can be read",
        )
    if found != "ok":
        return fail(
            about,
            f"{file} is damaged ({found[:100]})",
            "restart the gateway: it sets it aside and salvages what can be read; replace the card",
        )
    size = file.stat().st_size / 1e6
    how = "sound" if finished else f"not all looked at in {_CHECK_S:.0f} s, sound so far"
    return ok(about, f"{file}: {size:.1f} MB, {how}")


def _quick_check(file: Path) -> tuple[str, bool]:
    """(SQLite's verdict, whether it got to the end)."""
    until = time.monotonic() + _CHECK_S
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0]), True
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return "ok", False
    finally:
        connection.close()


def _aside(folder: Path) -> list[Finding]:
    aside = sorted(folder.glob(f"{folder_of.DATABASE}.damaged-*")) if folder.is_dir() else []
    if not aside:
        return []
    return [
        warn(
            "database",
            f"{len(aside)} damaged one(s) set aside, the last {aside[-1].name}",
            "look at why (dmesg, power supply, card); keep or remove the file",
        )
    ]

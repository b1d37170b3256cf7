"""Which process holds a file or a device, without touching it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from gateway import data_dir

PROC = Path("/proc")
_LOCK = re.compile(r"\d+: FLOCK\s+\w+\s+\w+ (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ")
_NAMED = re.compile(r", process (\d{1,10})\s*$")
_LONGEST_LOCK = 300
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Holder:
    """A process.

    Attributes:
        process: its id; 0 when it is hidden from this one.
        name: of its program, "" when not known.
    """

    process: int
    name: str

    def __str__(self) -> str:
        if not self.process:
            return "a process that is hidden from this user"
        return f"process {self.process}" + (f" ({self.name})" if self.name else "")


def gateway_process(folder: Path, proc: Path = PROC) -> int | None:
    """Process id of the gateway that runs with the data folder `folder`; None when none does."""
    lock = folder / data_dir.LOCK
    holder = lock_holder(lock, proc)
    if holder is not None:
        return holder.process
    # An overlay file system (a Pi whose root is read-only) lists its locks under other numbers:
    # there the file's own word counts, if that process really has it open.
    try:
        match = _NAMED.search(lock.read_text(encoding="utf-8", errors="replace")[:_LONGEST_LOCK])
        named = int(match[1]) if match else 0
        return named if named and _has_open(named, lock, proc) else None
    except OSError:
        return None


def lock_holder(file: Path, proc: Path = PROC) -> Holder | None:
    """Who holds flock(2)'s lock on `file`; taking it to find out could keep its owner from it."""
    try:
        there = os.stat(file)
        locks = (proc / "locks").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    wanted = (os.major(there.st_dev), os.minor(there.st_dev), there.st_ino)
    for line in locks.splitlines():
        match = _LOCK.match(line)
        if match and (int(match[2], 16), int(match[3], 16), int(match[4])) == wanted:
            return _holder(int(match[1]), proc)
    return None


def openers(device: Path, proc: Path = PROC) -> list[Holder]:
    """Processes that have `device` open, as far as this user may see them."""
    found: list[Holder] = []
    for folder in proc.iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            held = _has_open(int(folder.name), device, proc)
        except OSError:
            continue  # gone, or another user's
        if held:
            found.append(_holder(int(folder.name), proc))
    return sorted(found, key=lambda holder: holder.process)


def _has_open(process: int, file: Path, proc: Path) -> bool:
    """Raises OSError when that cannot be seen."""
    wanted = os.path.realpath(file)
    for entry in (proc / str(process) / "fd").iterdir():
        try:
            if os.readlink(entry) == wanted:
                return True
        except FileNotFoundError:
            continue  # closed in between
    return False


def _holder(process: int, proc: Path) -> Holder:
    try:
        name = (proc / str(process) / "comm").read_text(encoding="utf-8", errors="replace")
    except OSError:
        name = ""
    return Holder(process, " ".join(name.split())[:_LONGEST_NAME])

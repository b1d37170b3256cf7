"""The folder a gateway keeps its data in: whether it can be used, and that only one does."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import DataFolderInUse

DATABASE = "gateway.db"
RELEASES = "releases"
TRUST = "trust"
LOCK = "gateway.lock"
_LONGEST_HOLDER = 200


@contextmanager
def held(folder: Path, gateway: str) -> Generator[None]:
    """Make `folder` and hold it for the gateway `gateway`; let go at the end, or when killed.

    Raises DataFolderInUse, which names the holder, and OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, _LONGEST_HOLDER, 0).decode(errors="replace")
            raise DataFolderInUse(
                f"{folder}: is in use by {' '.join(holder.split()) or 'another gateway'}; "
                "stop that one, or give this one a data_dir of its own"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"gateway {gateway}, process {os.getpid()}\n".encode(), 0)
        # The file stays: were it removed, two could each hold a lock on a file of that name.
        yield
    finally:
        os.close(descriptor)


def problem(folder: Path) -> str | None:
    """Why this user could not keep data in `folder`, or None. Makes and changes nothing."""
    for part in (folder, folder / RELEASES, folder / TRUST):
        there = part
        while not os.path.lexists(there):
            there = there.parent
        if not there.is_dir():
            return f"{there} is not a folder"
        if not os.access(there, os.W_OK | os.X_OK):
            return f"{there} cannot be written by this user"
    for name in (DATABASE, LOCK):
        file = folder / name
        if os.path.lexists(file) and not (file.is_file() and os.access(file, os.R_OK | os.W_OK)):
            return f"{file} is not a file this user can read and write"
    return None

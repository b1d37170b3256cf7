"""Small files, replaced whole or not at all, and never readable by more than they should be."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

PRIVATE = 0o600


def write_atomically(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Put `content` in `path`, on disk when this returns; a reader sees the old or the new one.

    mode: permissions of the file. Raises OSError; the old file is then as it was.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    _sync_folder(path.parent)


def write_if_changed(path: Path, content: bytes, mode: int = PRIVATE) -> bool:
    """As `write_atomically`, unless `path` has this content and mode already; True when written.

    What is there and cannot be read is replaced. Raises OSError.
    """
    # Absent or unreadable: writing says what is wrong, if it is.
    with suppress(OSError):
        if path.read_bytes() == content and path.stat().st_mode & 0o777 == mode:
            return False
    write_atomically(path, content, mode)
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

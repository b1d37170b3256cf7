"""Room on the disk, and what this program writes to it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

# Asked of the file system at most this often: `full` is asked for with every poll.
_ASK_EVERY_S: Final = 1.0
# Once short of room, so much more than `keep_free` must be free before it is not.
_ENOUGH_AT: Final = 1.1
# Records are dropped for room below the first share of `keep_free`, until there is the second.
_CRITICAL_AT: Final = 0.25
_RELIEVED_AT: Final = 0.5


class Disk:
    """The free bytes of the file system that `path` is on, of which `keep_free` shall stay free.

    keep_free: bytes; 0 to look at nothing.
    """

    def __init__(self, path: Path, keep_free: int) -> None:
        self._path = path
        self.keep_free = keep_free
        self._free = 0
        self._asked = -_ASK_EVERY_S
        self._short = False

    @property
    def free(self) -> int:
        """Bytes that an ordinary user may still write; not older than a second."""
        now = time.monotonic()
        if now - self._asked >= _ASK_EVERY_S:
            self._asked = now
            try:
                found = os.statvfs(self._path)
            except OSError:
                # A disk that is away: nothing more is read, and nothing dropped for room on it.
                self._free = self.keep_free // 2
            else:
                self._free = found.f_bavail * found.f_frsize
        return self._free

    def ask_again(self) -> None:
        """Forget what was found: something was given back."""
        self._asked = -_ASK_EVERY_S

    @property
    def short(self) -> bool:
        """Whether less than `keep_free` is free; then no more may be read from lampposts."""
        if not self.keep_free:
            return False
        self._short = self.free < self.keep_free * (_ENOUGH_AT if self._short else 1)
        return self._short

    @property
    def lacking(self) -> int:
        """Bytes of records that must be dropped for room: 0 until it is critical."""
        if not self.keep_free or self.free >= self.keep_free * _CRITICAL_AT:
            return 0
        return int(self.keep_free * _RELIEVED_AT) - self.free


class Wear:
    """Bytes that the thread which makes it has caused to be written to the disk.

    Linux counts them for each thread (write_bytes in /proc/thread-self/io): whole pages of 4 KiB as
    they become dirty, of the write-ahead log and, at checkpoints, of the database. It is what goes
    to the card, a page that is half full counted whole; what the file system's own journal and the
    card's controller make of it is not in it. Always 0 where the kernel does not count, and for
    what is on no disk (tmpfs).
    """

    def __init__(self) -> None:
        try:
            self._file = os.open("/proc/thread-self/io", os.O_RDONLY)
        except OSError:
            self._file = -1
        self._before = self._count()

    def close(self) -> None:
        """Stop counting."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def since(self) -> int:
        """Bytes written since the last call."""
        before, self._before = self._before, self._count()
        return max(0, self._before - before)

    def _count(self) -> int:
        if self._file < 0:
            return 0
        for line in os.pread(self._file, 4096, 0).splitlines():
            name, _, value = line.partition(b":")
            if name == b"write_bytes":
                return int(value)
        return 0

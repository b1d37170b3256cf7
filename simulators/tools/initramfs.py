"""A Linux guest's first file system, kept in memory: a cpio archive in the "newc" format.

Format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import gzip
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_TRAILER = "TRAILER!!!"


def pack(root: Path) -> bytes:
    """All that is under ``root``, as a gzipped cpio archive; owner and times are left out."""
    return gzip.compress(b"".join(_entries(root, sorted(root.rglob("*")))), mtime=0)


def _entries(root: Path, paths: Iterable[Path]) -> Iterator[bytes]:
    for number, path in enumerate(paths, start=1):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            data = str(path.readlink()).encode()
        else:
            data = path.read_bytes() if stat.S_ISREG(mode) else b""
        yield _entry(number, str(path.relative_to(root)), mode, data)
    yield _entry(0, _TRAILER, 0, b"")


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)

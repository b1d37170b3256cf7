"""The names in a ROMFS image (format: MicroPython, extmod/vfs_rom.c), which is hostile until read.

Header D2 CD 31 and a length; then records of kind, length and payload, numbers in base 128 with the
highest digit first. A directory's payload is its name and records, a file's its name and its data.
"""

from collections.abc import Iterator
from typing import Final

_HEADER: Final = b"\xd2\xcd\x31"
_DATA: Final = 2
_DIRECTORY: Final = 4
_FILE: Final = 5
_MAX_DEPTH: Final = 8


def files(image: bytes) -> list[tuple[str, int]]:
    """(path, bytes) of each file.

    Raises:
        ValueError: it is no whole ROMFS image.
    """
    if not image.startswith(_HEADER):
        raise ValueError("the payload is no ROMFS image")
    length, start = _number(image, len(_HEADER), len(image))
    if start + length != len(image):
        raise ValueError(f"ROMFS of {len(image)} bytes, its header says {start + length}")
    return list(_walk(image, start, len(image), "", 0))


def _walk(image: bytes, at: int, end: int, folder: str, depth: int) -> Iterator[tuple[str, int]]:
    if depth > _MAX_DEPTH:
        raise ValueError(f"ROMFS more than {_MAX_DEPTH} folders deep")
    while at < end:
        kind, start, stop = _record(image, at, end)
        if kind in (_DIRECTORY, _FILE):
            size, name_at = _number(image, start, stop)
            inner = name_at + size
            if inner > stop:
                raise ValueError("ROMFS name longer than its record")
            path = folder + image[name_at:inner].decode("utf-8", "replace")
            if kind == _FILE:
                yield path, _data_size(image, inner, stop)
            else:
                yield from _walk(image, inner, stop, f"{path}/", depth + 1)
        at = stop


def _data_size(image: bytes, at: int, end: int) -> int:
    total = 0
    while at < end:
        kind, start, at = _record(image, at, end)
        total += at - start if kind == _DATA else 0
    return total


def _record(image: bytes, at: int, end: int) -> tuple[int, int, int]:
    """(kind, start of its payload, end of it)."""
    kind, at = _number(image, at, end)
    length, at = _number(image, at, end)
    if at + length > end:
        raise ValueError("ROMFS record longer than what holds it")
    return kind, at, at + length


def _number(image: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    while at < end and value < 1 << 28:
        value, more = value << 7 | image[at] & 0x7F, image[at] & 0x80
        at += 1
        if not more:
            return value, at
    raise ValueError("ROMFS number does not end")

"""A ROMFS image read once, front to back, out of a stream: its files go to a sink as they come.

Format (MicroPython, extmod/vfs_rom.c): header D2 CD 31, length; then records of kind, length and
payload, numbers in base 128 with the highest digit first. A file record holds its name and a data
record; a directory record holds its name and further records. mpremote's `VfsRomWriter` makes them.

Every length is checked against the record around it, so a hostile image ends in Refused.
"""

import asyncio
from hashlib import sha256

from . import refusal
from .refusal import Refused

PIECE = 512
MAX_DEPTH = 4
MAX_NAME = 64

_HEADER = b"\xd2\xcd\x31"
_UNUSED = 0
_PADDING = 1
_VERBATIM = 2
_DIRECTORY = 4
_FILE = 5


async def unpack(stream, size: int, sha: bytes, sink) -> None:
    """Read `size` bytes of ROMFS from `stream` (has `readinto`) and check their SHA-256 `sha`.

    sink: `open(name, size)`, `write(view)` until `size` bytes are there, `close()`; name is the
    path with slashes. A sink with `raw(view)` is given every byte of the image there, before it is
    looked into. Raises Refused; what the sink got is then not to be used. Other tasks have
    their turn every PIECE bytes.
    """
    reader = _Reader(stream, size, getattr(sink, "raw", None))
    for byte in _HEADER:
        if reader.byte() != byte:
            raise _broken("it is no ROMFS image")
    length = reader.number(size)
    if reader.at + length != size:
        raise _broken("%d bytes, its header says %d" % (size, reader.at + length))
    await _records(reader, size, "", 0, sink)
    if reader.digest.digest() != sha:
        raise _broken("its SHA-256 does not fit")


async def _records(reader, end: int, folder: str, depth: int, sink) -> None:
    while reader.at < end:
        kind = reader.number(end)
        length = reader.number(end)
        inner = reader.at + length
        if inner > end:
            raise _broken("a record is longer than what holds it")
        if kind == _DIRECTORY:
            if depth == MAX_DEPTH:
                raise _broken("more than %d folders deep" % MAX_DEPTH)
            name = reader.name(inner)
            await _records(reader, inner, folder + name + "/", depth + 1, sink)
        elif kind == _FILE:
            name = reader.name(inner)
            await _file(reader, inner, folder + name, sink)
        elif kind in (_UNUSED, _PADDING, _VERBATIM):
            await reader.copy(inner, None)
        else:
            raise _broken("record of kind %d" % kind)


async def _file(reader, end: int, name: str, sink) -> None:
    found = False
    while reader.at < end:
        kind = reader.number(end)
        length = reader.number(end)
        inner = reader.at + length
        if inner > end:
            raise _broken("%s is longer than its record" % name)
        if kind == _VERBATIM and not found:
            found = True
            sink.open(name, length)
            await reader.copy(inner, sink)
            sink.close()
        elif kind in (_UNUSED, _PADDING):
            await reader.copy(inner, None)
        else:
            raise _broken("%s has a record of kind %d" % (name, kind))
    if not found:
        raise _broken("%s has no data" % name)


class _Reader:
    """The stream, with the position in it, a limit and a running digest."""

    def __init__(self, stream, size: int, raw):
        self.at = 0
        self._raw = raw
        self.digest = sha256()
        self._stream = stream
        self._size = size
        self._buffer = bytearray(PIECE)
        self._view = memoryview(self._buffer)

    def byte(self) -> int:
        self._fill(1)
        return self._buffer[0]

    def number(self, end: int) -> int:
        """A number in base 128 that ends before `end`; at most 28 bits."""
        value = 0
        for _ in range(5):
            if self.at >= end:
                break
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if value >= 1 << 28:
                break
            if not byte & 0x80:
                return value
        raise _broken("a number does not end")

    def name(self, end: int) -> str:
        length = self.number(end)
        if not 0 < length <= MAX_NAME or self.at + length > end:
            raise _broken("a name of %d bytes" % length)
        self._fill(length)
        for byte in self._view[:length]:
            if not 0x20 < byte < 0x7F:
                raise _broken("a name with byte 0x%02x" % byte)
        return str(self._view[:length], "ascii")

    async def copy(self, end: int, sink) -> None:
        """Everything up to position `end`, to `sink` when there is one."""
        while self.at < end:
            count = min(PIECE, end - self.at)
            self._fill(count)
            if sink is not None:
                sink.write(self._view[:count])
            await asyncio.sleep(0)

    def _fill(self, count: int) -> None:
        """The next `count` bytes into the start of the buffer."""
        if self.at + count > self._size:
            raise _broken("it goes on past its %d bytes" % self._size)
        got = 0
        while got < count:
            try:
                step = self._stream.readinto(self._view[got:count])
            except (OSError, EOFError, ValueError) as error:
                raise _broken(
                    "it cannot be inflated at byte %d (%s)" % (self.at + got, error)
                ) from None
            if not step:
                raise _broken("it ends at byte %d of %d" % (self.at + got, self._size))
            got += step
        self.digest.update(self._view[:count])
        if self._raw is not None:
            self._raw(self._view[:count])
        self.at += count


def _broken(text: str) -> Refused:
    return Refused(refusal.PAYLOAD, "payload: " + text)

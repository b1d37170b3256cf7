"""A file that comes in chunks, in any order, to all nodes at once. Survives a reboot.

`multicast.json` says what is coming. `multicast.bin` holds the chunks as they came, each after its
number (u16, little endian): littlefs appends cheaply, but to write in the midst of a file it copies
all that follows. Where each chunk lies is known from the numbers, which are read again at a start;
the whole is read through `open`, in its right order.
"""

import io
import json
import os
from array import array
from binascii import hexlify, unhexlify

from protocol import multicast as wire

from .incoming import Incoming

_HEAD = 2
_MISSING = 0xFFFF


class Multicast(Incoming):
    """The transfer under way in `root`, or none.

    Attributes:
        length: bytes the whole file has, 0 when there is no transfer.
        sha: its SHA-256. upgrade: False; an upload's may be True.
        chunk: bytes of a chunk. count: chunks of the file. missing: those that are not here.
    """

    upgrade = False

    def __init__(self, root: str):
        super().__init__(root, "multicast")

    @property
    def complete(self) -> bool:
        """Whether every chunk is here."""
        return self.active and not self.missing

    @property
    def offset(self) -> int:
        """Bytes that are here, to the nearest chunk."""
        return min(self.length, (self.count - self.missing) * self.chunk)

    def begin(self, length: int, sha: bytes, chunk: int) -> None:
        """Start another transfer; what was under way is dropped. OSError from the flash."""
        self._begin({"length": length, "sha": hexlify(sha).decode(), "chunk": chunk})
        self._set(length, sha, chunk)

    def take(self, index: int, data: bytes) -> bool:
        """A chunk; False when it is here already or cannot be one. OSError from the flash."""
        if index >= self.count or self._where[index] != _MISSING:
            return False
        if len(data) != min(self.chunk, self.length - index * self.chunk):
            return False
        file = self._appending()
        file.write(index.to_bytes(_HEAD, "little"))
        file.write(data)
        if len(data) < self.chunk:
            file.write(bytes(self.chunk - len(data)))
        self._where[index] = self.count - self.missing
        self.missing -= 1
        self._appended(self.chunk, not self.missing)
        return True

    def bitmap(self, first: int) -> bytes:
        """Which of the chunks from `first` on are missing; see protocol/multicast.py."""
        last = min(self.count, first + wire.WINDOW)
        bits = bytearray((max(0, last - first) + 7) // 8)
        for index in range(first, last):
            if self._where[index] == _MISSING:
                bits[(index - first) // 8] |= 1 << (index - first) % 8
        return bytes(bits)

    def open(self):
        """The complete file, to be read in its order."""
        self.close()
        return _Ordered(open(self._path, "rb"), self._where, self.chunk, self.length)

    def _forget(self) -> None:
        self._set(0, b"", wire.MAX_CHUNK)

    def _set(self, length: int, sha: bytes, chunk: int) -> None:
        self.length = length
        self.sha = sha
        self.chunk = chunk
        self.count = wire.chunk_count(length, chunk)
        self.missing = self.count
        # Which of the stored chunks each is.
        self._where = array("H", b"\xff" * (2 * self.count))

    def _load(self) -> None:
        try:
            with open(self._session, "rb") as file:
                session = json.load(file)
            start = wire.parse_start(
                {"h": unhexlify(session["sha"]), "n": session["length"], "c": session["chunk"]}
            )
            stored, torn = divmod(os.stat(self._path)[6], _HEAD + session["chunk"])
        except (OSError, ValueError, KeyError, TypeError):
            return  # none under way, or none that can be used: the master begins again
        if start is None or torn:
            return
        self._set(start[1], start[0], start[2])
        if not self._read_numbers(stored):
            self._forget()

    def _read_numbers(self, stored: int) -> bool:
        """Learn where each chunk is; False when the file is not as it was written."""
        try:
            with open(self._path, "rb") as file:
                for place in range(stored):
                    file.seek(place * (_HEAD + self.chunk))
                    index = int.from_bytes(file.read(_HEAD), "little")
                    if index >= self.count or self._where[index] != _MISSING:
                        return False
                    self._where[index] = place
                    self.missing -= 1
        except OSError:
            return False
        return True


class _Ordered(io.IOBase):
    """The chunks as one file: `seek`, `read`, `readinto`, for inflating as well."""

    def __init__(self, file, where, chunk: int, length: int):
        self._file = file
        self._where = where
        self._chunk = chunk
        self._length = length
        self._at = 0
        self._set = False  # whether the file stands where `_at` is

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to `offset` from the start; nothing else is needed here."""
        if whence or offset < 0:
            raise OSError(22)
        self._at = min(offset, self._length)
        self._set = False
        return self._at

    def readinto(self, buffer) -> int:
        """The next bytes, at most those of one chunk; 0 at the end."""
        index, within = divmod(self._at, self._chunk)
        count = min(len(buffer), self._chunk - within, self._length - self._at)
        if count <= 0:
            return 0
        if not self._set:
            self._file.seek(self._where[index] * (_HEAD + self._chunk) + _HEAD + within)
        count = self._file.readinto(memoryview(buffer)[:count])
        self._at += count
        self._set = self._at % self._chunk != 0
        return count

    def read(self, count: int) -> bytes:
        """The next `count` bytes, fewer only at the end."""
        out = bytearray(min(count, self._length - self._at))
        view = memoryview(out)
        got = 0
        while got < len(out):
            step = self.readinto(view[got:])
            if not step:
                break
            got += step
        return bytes(view[:got])

    def close(self) -> None:
        """Close the file below."""
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close()

"""A file cut into the chunks of a multicast."""

from __future__ import annotations

from hashlib import sha256

from protocol import multicast as wire


class Parcel:
    """`data` in chunks of `chunk_size` bytes, the last one shorter.

    Attributes:
        sha: SHA-256 of the file, 32 bytes. name: what it is called on the line.
        size: bytes of the file. chunk_size: of a chunk. count: how many chunks it has.
    """

    def __init__(self, data: bytes, chunk_size: int) -> None:
        self._data = data
        self.sha = sha256(data).digest()
        self.name = wire.tag(self.sha)
        self.size = len(data)
        self.chunk_size = chunk_size
        self.count = wire.chunk_count(self.size, chunk_size)

    def chunk(self, index: int) -> bytes:
        """Chunk `index`, 0 up."""
        return self._data[index * self.chunk_size : (index + 1) * self.chunk_size]

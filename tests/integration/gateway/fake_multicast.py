"""A scripted lamppost's end of a multicast, as firmware/node/update/reception.py has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from protocol import multicast, smp


class FakeReception:
    """Takes chunks in any order; `install` gets the whole file, and says whether it is good.

    Attributes:
        starts: how often a file was begun anew. taken: chunks that were new. heard: all of ours.
        hears: by index, whether a chunk gets through.
    """

    def __init__(self, install: Callable[[bytes, bytes], bool]) -> None:
        self.starts = 0
        self.taken = 0
        self.heard = 0
        self.hears: Callable[[int], bool] = lambda index: True
        self._install = install
        self._sha = b""
        self._count = self._size = self._chunk = 0
        self._chunks: dict[int, bytes] = {}
        self._ended: dict[bytes, int] = {}

    @property
    def active(self) -> bool:
        """Whether a file is under way."""
        return bool(self._sha)

    @property
    def missing(self) -> list[int]:
        """Of the file under way."""
        return [index for index in range(self._count) if index not in self._chunks]

    def drop(self) -> None:
        """Forget the file under way."""
        self._sha, self._count, self._chunks = b"", 0, {}

    def write(self, body: dict[str, Any], sealed: bool) -> dict[str, Any]:
        """A chunk, or what comes."""
        if "d" in body:
            return self._take(*multicast.parse_chunk(body))
        if not sealed:
            return {"rc": smp.MGMT_ERR_EACCESSDENIED}
        start = multicast.parse_start(body)
        if start is None:
            self.drop()
        elif self._ended.get(start[0][: multicast.TAG_SIZE]) != multicast.DONE and start != (
            self._sha,
            self._size,
            self._chunk,
        ):
            self.starts += 1
            self.drop()
            self._sha, self._size, self._chunk = start
            self._count = multicast.chunk_count(self._size, self._chunk)
        return {}

    def read(self, body: dict[str, Any]) -> dict[str, Any]:
        """What is missing."""
        name, first = multicast.parse_state_request(body)
        if not self._sha or multicast.tag(self._sha) != name:
            state = self._ended.get(name, multicast.NONE)
            return multicast.state_reply(state, 0, first, b"")
        last = min(self._count, first + multicast.WINDOW)
        bits = bytearray((max(0, last - first) + 7) // 8)
        for index in self.missing:
            if first <= index < last:
                bits[(index - first) // 8] |= 1 << (index - first) % 8
        return multicast.state_reply(multicast.RECEIVING, len(self.missing), first, bytes(bits))

    def _take(self, name: bytes, index: int, data: bytes) -> dict[str, Any]:
        if not self._sha or multicast.tag(self._sha) != name:
            return {}
        self.heard += 1
        if index < self._count and index not in self._chunks and self.hears(index):
            self._chunks[index] = data
            self.taken += 1
            if not self.missing:
                return self._complete()
        return {}

    def _complete(self) -> dict[str, Any]:
        whole, sha = b"".join(self._chunks[index] for index in range(self._count)), self._sha
        self.drop()
        good = self._install(whole, sha)
        self._ended[multicast.tag(sha)] = multicast.DONE if good else multicast.REFUSED
        return {} if good else smp.error(smp.GROUP_IMAGE, 24)

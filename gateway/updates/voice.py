"""Speaking to all lampposts of a bus, for as long as one chunk at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.bus.transaction import Line
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Traffic, Turns
from protocol import multicast as wire

# A command that has just missed its turn goes out after one chunk: within 100 ms, its own frame
# included, at 115200 baud.
_CHUNK_S = 0.082
_CHUNK_STEP = 64
_CHUNK_OVERHEAD = 41  # frame, SMP header and the map around the data
_BITS_PER_BYTE = 10


class SharedKey(Protocol):
    """A key that the lampposts of a bus share."""

    def has(self, lamppost: Lamppost) -> bool:
        """Whether `lamppost` has it and listens to our counters."""
        ...

    async def seal(self, message: bytes) -> bytes:
        """An SMP message as one for all. Raises BufferUnavailable, SealBroken."""
        ...


@dataclass(frozen=True)
class Voice:
    """Speaks on `line`, whose turns are given out by `turns`.

    baud: of the line, bit/s; key: what its lampposts share, None where they share none.
    """

    line: Line
    turns: Turns
    baud: int
    key: SharedKey | None = None

    @property
    def chunk_size(self) -> int:
        """Bytes of a chunk on this line."""
        fits = int(_CHUNK_S * self.baud / _BITS_PER_BYTE) - _CHUNK_OVERHEAD
        return max(wire.MIN_CHUNK, min(wire.MAX_CHUNK, fits // _CHUNK_STEP * _CHUNK_STEP))

    @property
    def chunk_s(self) -> float:
        """Seconds that a chunk has the line."""
        return (self.chunk_size + _CHUNK_OVERHEAD) * _BITS_PER_BYTE / self.baud

    async def say(self, message: bytes, times: int = 1) -> None:
        """Say an SMP message in one turn of the line. Raises LinkUnavailable."""
        async with self.turns.take(Traffic.TRANSFER):
            await self.line.broadcast(message, times)

"""What goes into the buffer and comes out of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

# What a row costs beside its body: keys, page and index overhead, measured at about this.
ROW_OVERHEAD = 48


class Position(NamedTuple):
    """A place in a lamppost's log: the record (epoch, seq)."""

    epoch: int
    seq: int


class Row(NamedTuple):
    """A record in the buffer."""

    id: int
    node: bytes
    epoch: int
    seq: int
    body: bytes


class Reject(NamedTuple):
    """A record that cannot go on, and why."""

    seq: int
    body: bytes
    reason: str


class Batch(NamedTuple):
    """What one reply of a lamppost brings: `records` is [(seq, body), ...] of `epoch`.

    start: the committed position it was read from; next: the position after it; missed: records
    the lamppost no longer had.
    """

    node: bytes
    start: Position
    next: Position
    epoch: int
    records: Sequence[tuple[int, bytes]]
    rejected: Sequence[Reject] = ()
    repeated: int = 0
    missed: int = 0


def size(bodies: Iterable[bytes]) -> int:
    """Bytes that these count for within the buffer's bounds."""
    return sum(len(body) + ROW_OVERHEAD for body in bodies)

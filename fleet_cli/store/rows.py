"""What goes into the store and what is told of it."""

from dataclasses import dataclass, fields
from typing import NamedTuple


class RecordRow(NamedTuple):
    """One record as a lamppost wrote it.

    Attributes:
        node: the lamppost's id, 12 hexadecimal characters.
        epoch: of its log.
        seq: within the epoch.
        kind: protocol.records kind; also one that this version does not know.
        time: end of what it covers: Unix s, or s since start where the clock was not set.
        body: the bytes as sent.
        gateway: which gateway brought it.
        received: when it came in, Unix s.
    """

    node: str
    epoch: int
    seq: int
    kind: int
    time: int
    body: bytes
    gateway: str
    received: int


class RejectedRow(NamedTuple):
    """Something that came in and is no record; `payload` is cut, `size` is its whole length."""

    received: int
    topic: str
    reason: str
    size: int
    payload: bytes


class LamppostRow(NamedTuple):
    """The last state reported of a lamppost, its JSON as sent."""

    gateway: str
    node: str
    name: str
    version: str
    link: str
    reported_time: int
    received: int
    reported: str


@dataclass
class Counts:
    """What became of what came in.

    Attributes:
        messages: messages processed.
        records: records in them.
        stored: records new to the store.
        repeats: records that were there already, byte for byte; harmless.
        conflicts: records that differ from the one there with the same key; set aside.
        rejected: payloads and records that cannot be read; set aside.
        lampposts: states of lampposts taken in.
        commits: transactions.
        retries: transactions that had to be tried again.
    """

    messages: int = 0
    records: int = 0
    stored: int = 0
    repeats: int = 0
    conflicts: int = 0
    rejected: int = 0
    lampposts: int = 0
    commits: int = 0
    retries: int = 0

    def add(self, other: "Counts") -> None:
        """Add `other` to these."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))

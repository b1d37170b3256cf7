"""Where the figures come from: the parts as the metrics see them, and nothing of how they work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gateway.alarms import Alarms


class Buffer(Protocol):
    """The buffer of records."""

    @property
    def rows(self) -> int:
        """Records on their way."""
        ...

    @property
    def bytes(self) -> int:
        """What they count for."""
        ...

    @property
    def full(self) -> bool:
        """Whether reading pauses for want of room."""
        ...

    async def counters(self) -> Mapping[str, int]:
        """The durable counters, by name; asks the thread that commits. Raises GatewayError."""
        ...


class Commits(Protocol):
    """The thread that commits."""

    @property
    def commits(self) -> int:
        """Transactions committed since the start."""
        ...


class Uplink(Protocol):
    """The connection to the city's broker."""

    @property
    def connections(self) -> int:
        """Made since the start."""
        ...

    @property
    def since(self) -> float:
        """Machine time of the last connect or disconnect, or of the start."""
        ...

    @property
    def connected(self) -> bool:
        """Whether there is one now."""
        ...


class Expiring(Protocol):
    """The watch over certificates."""

    @property
    def expires(self) -> Mapping[str, int]:
        """Unix seconds by file."""
        ...


class Post(Protocol):
    """A lamppost."""

    @property
    def link(self) -> str:
        """Its link's state: up or silent."""
        ...


@dataclass(frozen=True)
class BusFigures:
    """One bus, since the start.

    Attributes:
        open: whether its port is open now.
        requests: put on the line, repeats counted.
        timeouts: requests that nobody answered in time.
        unexpected: frames nobody waited for.
        rejected: frames refused for length, coding or checksum.
        reopened: how often the port was lost.
    """

    open: bool
    requests: int
    timeouts: int
    unexpected: int
    rejected: int
    reopened: int


@dataclass
class Sources:
    """What the owner hands over; each is read in the event loop's thread, when somebody asks.

    Attributes:
        gateway: its id.
        version: of the program.
        data_dir: folder of the database.
        buffer: the records.
        max_bytes: bound of the buffer.
        commits: the thread that commits.
        uplink: the connection to the broker.
        alarms: what a person has to see to.
        lampposts: all there are at the moment.
        documents: what is reported to the city of each lamppost, for `/lampposts`.
        buses: figures by the name of the bus.
        updates: number of lampposts by the state of their update.
        certificates: the watch over them.
        late: names of the parts that make no progress.
        counters: further counters by part and name, such as ``{"ble": {"adverts": 12}}``.
    """

    gateway: str
    version: str
    data_dir: Path
    buffer: Buffer
    max_bytes: int
    commits: Commits
    uplink: Uplink
    alarms: Alarms
    lampposts: Callable[[], Sequence[Post]]
    documents: Callable[[], Sequence[Mapping[str, Any]]]
    buses: Callable[[], Mapping[str, BusFigures]] = field(default=dict[str, BusFigures])
    updates: Callable[[], Mapping[str, int]] = field(default=dict[str, int])
    certificates: Expiring | None = None
    late: Callable[[], Sequence[str]] = field(default=list[str])
    counters: Callable[[], Mapping[str, Mapping[str, int]]] = field(
        default=dict[str, Mapping[str, int]]
    )

"""Parts to take figures from, as a gateway might have them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway import logs
from gateway.alarms import Alarms
from gateway.errors import BufferUnavailable
from gateway.metrics.sources import BusFigures, Sources

NOW = 1_800_000_000


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> int:
        return self.time


@dataclass
class Buffer:
    rows: int = 7
    bytes: int = 700
    full: bool = False
    tallies: dict[str, int] = field(
        default_factory=lambda: {
            "added": 100, "sent": 90, "rejected": 1, "dropped_age": 2, "dropped_disk": 3,
            "repeated": 4, "missed": 5, "running_s": 3600, "events_dropped": 1,
            "written_bytes": 80_000, "salvages": 1, "kept_bytes": 600,
        }
    )  # fmt: skip
    broken: bool = False

    async def counters(self) -> Mapping[str, int]:
        if self.broken:
            raise BufferUnavailable("disk full")
        return self.tallies


@dataclass
class Commits:
    commits: int = 12


@dataclass
class Uplink:
    connections: int = 3
    connected: bool = True
    since: float = field(default_factory=time.monotonic)


@dataclass
class Expiring:
    expires: dict[str, int] = field(default_factory=dict[str, int])


@dataclass
class Post:
    link: str = "up"


class Street:
    """All of it, to be changed by a test."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.buffer = Buffer()
        self.uplink = Uplink()
        self.certificates = Expiring({"/etc/own.pem": NOW + 100 * 86_400})
        self.alarms = Alarms(self.clock, logs.get())
        self.posts = [Post(), Post(), Post("silent")]
        self.buses = {"north": BusFigures(True, 1000, 10, 2, 5, 1)}
        self.late: list[str] = []
        self.sources = Sources(
            gateway="cabinet-1",
            version="1.2.3",
            data_dir=folder,
            buffer=self.buffer,
            max_bytes=10_000,
            commits=Commits(),
            uplink=self.uplink,
            alarms=self.alarms,
            lampposts=lambda: self.posts,
            documents=lambda: [{"node": "a0b1c2d3e4f5", "name": "Södra 1"}],
            buses=lambda: self.buses,
            updates=lambda: {"uploading": 2, "confirmed": 1},
            certificates=self.certificates,
            late=lambda: self.late,
            counters=lambda: {"ble": {"adverts": 12, "restarts": 1}},
        )

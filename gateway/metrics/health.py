"""How the gateway is, judged by itself: one line a matter, the worst of them counts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from gateway.cabinet.certificates import WARN_DAYS, days_left
from gateway.metrics.sources import Sources

# A restart of the broker, or a modem that dials anew, is not worth waking anybody.
BROKER_WARNING_S = 300.0
BROKER_CRITICAL_S = 3600.0
# After a start lampposts have to be heard first.
LAMPPOSTS_GRACE_S = 60.0
BUFFER_WARNING = 0.8
DISK_WARNING_BYTES = 500_000_000
DISK_CRITICAL_BYTES = 50_000_000
# What is slower than this has the dimming of a whole street wait.
LOOP_WARNING_S = 1.0


class Grade(IntEnum):
    """As monitoring plugins have it: also their exit codes."""

    OK = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True)
class Matter:
    """One thing that was looked at.

    Attributes:
        name: of it, a word or two joined by "_".
        grade: how it is.
        text: what was found.
    """

    name: str
    grade: Grade
    text: str


@dataclass(frozen=True)
class Health:
    """All that was looked at.

    Attributes:
        matters: each, in a fixed order.
        figures: numbers for a graph, by name.
        gateway: its id.
    """

    matters: tuple[Matter, ...]
    figures: dict[str, int]
    gateway: str = ""

    @property
    def grade(self) -> Grade:
        """The worst."""
        return max((matter.grade for matter in self.matters), default=Grade.OK)

    def document(self) -> dict[str, Any]:
        """For `/health`."""
        return {
            "gateway": self.gateway,
            "status": self.grade.name.lower(),
            "checks": [
                {"name": matter.name, "status": matter.grade.name.lower(), "text": matter.text}
                for matter in self.matters
            ],
            "figures": self.figures,
        }


def judge(
    sources: Sources, *, storage: bool, lag_s: float, running_s: float, now: float, unix: int
) -> Health:
    """Look at everything. To be called in the event loop's thread.

    storage: whether the thread that commits answered; lag_s: how long the event loop took to turn
    to this; running_s: since the start; now: machine time; unix: street time, 0 while not known.
    """
    posts = sources.lampposts()
    silent = sum(post.link != "up" for post in posts)
    free, read_only = _disk(sources)
    matters = [
        _loop(sources, lag_s),
        Matter("storage", Grade.OK, "commits")
        if storage
        else Matter("storage", Grade.CRITICAL, "the thread that commits does not answer"),
        _uplink(sources, now),
        _posts(len(posts), silent, running_s),
        _buffer(sources),
        _free(free, read_only),
        *_buses(sources),
        *_certificates(sources, unix),
        *_alarms(sources),
    ]
    figures = {
        "lampposts": len(posts),
        "silent": silent,
        "buffered": sources.buffer.rows,
        "buffer_bytes": sources.buffer.bytes,
    }
    if free is not None:
        figures["disk_free_bytes"] = free
    return Health(tuple(matters), figures, sources.gateway)


def stuck(gateway: str, waited_s: float) -> Health:
    """What is to be said when the event loop does not turn to the question at all."""
    text = f"the event loop has not answered in {waited_s:.0f} s"
    return Health((Matter("loop", Grade.CRITICAL, text),), {}, gateway)


def _loop(sources: Sources, lag_s: float) -> Matter:
    late = sources.late()
    if late:
        return Matter("loop", Grade.CRITICAL, f"no progress: {', '.join(late)}")
    if lag_s > LOOP_WARNING_S:
        return Matter("loop", Grade.WARNING, f"slow, answers after {lag_s:.1f} s")
    return Matter("loop", Grade.OK, "runs")


def _uplink(sources: Sources, now: float) -> Matter:
    uplink = sources.uplink
    since = max(0.0, now - uplink.since)
    if uplink.connected:
        return Matter("broker", Grade.OK, f"connected for {_span(since)}")
    grade = Grade.OK
    if since >= BROKER_WARNING_S:
        grade = Grade.WARNING
    if since >= BROKER_CRITICAL_S:
        grade = Grade.CRITICAL
    return Matter("broker", grade, f"away for {_span(since)}")


def _posts(number: int, silent: int, running_s: float) -> Matter:
    text = f"{silent} of {number} lampposts silent"
    if not silent or running_s < LAMPPOSTS_GRACE_S:
        return Matter("lampposts", Grade.OK, text)
    return Matter("lampposts", Grade.CRITICAL if silent == number else Grade.WARNING, text)


def _buffer(sources: Sources) -> Matter:
    buffer = sources.buffer
    share = buffer.bytes / sources.max_bytes
    text = f"{buffer.rows} records, {share:.0%} of its bound"
    if buffer.full:
        return Matter("buffer", Grade.CRITICAL, f"full, {text}; lampposts keep their records")
    return Matter("buffer", Grade.WARNING if share >= BUFFER_WARNING else Grade.OK, text)


def _disk(sources: Sources) -> tuple[int | None, bool]:
    """(bytes free for this user, whether mounted read-only)."""
    try:
        disk = os.statvfs(sources.data_dir)
    except OSError:
        return None, False
    return disk.f_bavail * disk.f_frsize, bool(disk.f_flag & os.ST_RDONLY)


def _free(free: int | None, read_only: bool) -> Matter:
    if free is None:
        return Matter("disk", Grade.CRITICAL, "the data folder cannot be looked at")
    if read_only:
        return Matter("disk", Grade.CRITICAL, "mounted read-only")
    text = f"{free / 1e6:.0f} MB free"
    if free < DISK_CRITICAL_BYTES:
        return Matter("disk", Grade.CRITICAL, text)
    return Matter("disk", Grade.WARNING if free < DISK_WARNING_BYTES else Grade.OK, text)


def _buses(sources: Sources) -> Iterable[Matter]:
    for name, figures in sources.buses().items():
        if not figures.open:
            yield Matter(f"bus_{name}", Grade.CRITICAL, f"the port of bus {name} is not open")


def _certificates(sources: Sources, unix: int) -> Iterable[Matter]:
    if sources.certificates is None or not unix:
        return
    expires = sources.certificates.expires
    if not expires:
        return
    file, first = min(expires.items(), key=lambda item: item[1])
    left = days_left(first, unix)
    if left <= 0:
        yield Matter("certificates", Grade.CRITICAL, f"{file} has expired")
    elif left <= WARN_DAYS:
        yield Matter("certificates", Grade.WARNING, f"{file} expires in {left:.0f} days")
    else:
        yield Matter("certificates", Grade.OK, f"good for {left:.0f} days")


def _alarms(sources: Sources) -> Iterable[Matter]:
    for alarm in sources.alarms.raised:
        grade = Grade.CRITICAL if alarm.severity == "critical" else Grade.WARNING
        yield Matter(alarm.name, grade, alarm.text)


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

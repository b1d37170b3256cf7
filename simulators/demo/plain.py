"""The night as plain lines, for a log or a terminal that is none: a few dozen, not thousands."""

from collections.abc import Callable
from datetime import UTC, datetime

from simulators.demo.snapshot import Feed, Mood, Snapshot, StepState
from simulators.demo.view import ZONE, clock_text

SUMMARY_SECONDS = 3600
"""Street time between two lines about the whole street."""

_SIGN = {Mood.GOOD: "+", Mood.PLAIN: " ", Mood.WARNING: "!", Mood.BAD: "X"}


class PlainLines:
    """Tells events as they come, and the state of the street once an hour of its time."""

    def __init__(self, feed: Feed, write: Callable[[str], None]) -> None:
        self._feed = feed
        self._write = write
        self._told = 0
        self._next_summary = 0.0

    def show(self, snapshot: Snapshot) -> None:
        """Write what is new since the last call."""
        for event in self._feed.since(self._told):
            local = datetime.fromtimestamp(event.time, UTC).astimezone(ZONE)
            self._write(f"{local:%H:%M} {_SIGN[event.mood]} {event.text}")
        self._told = self._feed.count
        if snapshot.time >= self._next_summary:
            self._next_summary = snapshot.time - snapshot.time % SUMMARY_SECONDS + SUMMARY_SECONDS
            self._write(street_line(snapshot))


def street_line(snapshot: Snapshot) -> str:
    """The whole street in one line."""
    levels = [line.level for line in snapshot.lampposts if line.level is not None]
    light = f"light {sum(levels) / len(levels):.0f}%" if levels else "light unknown"
    links = [line.link for line in snapshot.lampposts]
    # With the gateway or the broker away nobody at the desk knows.
    up = (
        "links unknown"
        if set(links) == {"unknown"}
        else f"{links.count('up')} of {len(links)} links up"
    )
    by_radio = sum(line.link == "up" and line.reached_by == "ble" for line in snapshot.lampposts)
    up += f" ({by_radio} by Bluetooth)" if by_radio else ""
    versions = sorted({line.version for line in snapshot.lampposts if line.version})
    done = sum(step.state is StepState.PASSED for step in snapshot.steps)
    parts = ", ".join(f"{part.name} {part.state}" for part in snapshot.parts)
    return (
        f"{clock_text(snapshot.time)} ({snapshot.speed:.0f}x) {light}, "
        f"{up}, release {' and '.join(versions) or '?'}, "
        f"{snapshot.stored:,} of {snapshot.produced:,} records stored, "
        f"{done} of {len(snapshot.steps)} steps; {parts}"
    )

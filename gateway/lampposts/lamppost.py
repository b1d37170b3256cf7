"""What the gateway knows of one lamppost, while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from gateway.buffer.records import Position
from gateway.lampposts.channel import LinkKind
from gateway.lampposts.newest import Newest
from gateway.lampposts.session import Session
from gateway.logs import Logger
from protocol import records

LinkState = Literal["up", "silent"]


class Lamppost:
    """One lamppost: identity, link, place in its log, and the last facts it gave."""

    def __init__(
        self,
        node: bytes,
        name: str,
        session: Session,
        log: Logger,
        bus: str | None = None,
        address: int | None = None,
        pole: str | None = None,
    ) -> None:
        self.node = node
        self.name = name
        # Of the place: it stays when another node is put there.
        self.pole = pole or name
        self.session = session
        # Its place on a bus, where it is on one.
        self.bus = bus
        self.address = address
        self.log = log
        # Called when something the city should know has changed.
        self.changed: Callable[[], None] = lambda: None
        # Called when its own sensor has seen somebody since it was last asked. Who came by when is
        # theirs: it is neither logged nor passed on to the city.
        self.saw: Callable[[int], None] = lambda sightings: None
        self.sightings: int | None = None  # since its start, None while not known

        self.link: LinkState = "silent"
        self.reached_by: LinkKind | None = None  # None until it has answered
        self.last_heard = 0  # street time, 0 never
        self.failures = 0  # in a row
        self.refused_replies = 0
        self._next_due = 0.0
        # Called when the time of the next visit changes, or one may be possible again.
        self.on_due: list[Callable[[Lamppost], None]] = []
        self.last_asked = 0.0

        # Next to read; and up to where it is committed (exclusive). The first runs ahead of the
        # second while commits are under way.
        self.position = Position(0, 0)
        self.committed = Position(0, 0)
        self.told: Position | None = None  # acknowledged to the lamppost (exclusive)
        self.commits_pending = 0
        self.backlog = 0

        self.facts: dict[str, Any] | None = None
        self.facts_at = 0.0  # machine time, 0: not since this start
        self.level: int | None = None
        self.newest = Newest()
        self.wants_facts = True

    @property
    def id(self) -> str:
        """The node id as text."""
        return self.node.hex()

    @property
    def next_due(self) -> float:
        """Machine time of the next visit; 0.0 is at once."""
        return self._next_due

    @next_due.setter
    def next_due(self, due: float) -> None:
        self._next_due = due
        self.look_again()

    def look_again(self) -> None:
        """Tell those who visit it that it may be its time."""
        for told in self.on_due:
            told(self)

    def heard(self, street_time: int) -> None:
        """It answered, and it was really it."""
        self.last_heard = street_time
        self.failures = 0
        if self.link != "up":
            self.link = "up"
            self.wants_facts = True
            self.log.info("lamppost up")
            self.changed()
        before, self.reached_by = self.reached_by, self.session.route.answered_by
        if self.reached_by != before:
            if before is not None:
                self.log.info("lamppost reached by another link", link=self.reached_by, was=before)
            self.changed()

    def take_sightings(self, sightings: int) -> None:
        """It has seen somebody so many times since its start."""
        before, self.sightings = self.sightings, sightings
        if sightings and before is not None and sightings != before:
            self.saw(sightings)

    def take_facts(self, status: dict[str, Any], now: float) -> None:
        """Keep the STATUS reply `status` (as parsed), in a form that JSON can carry."""
        facts: dict[str, Any] = {
            key: value.hex() if isinstance(value, bytes) else value for key, value in status.items()
        }
        self.wants_facts = False
        self.facts_at = now
        previous, self.facts = self.facts, facts
        self.level = facts["level"]
        if previous != facts:
            self.changed()

    def reason_text(self) -> str:
        """Why the lamp has its level."""
        code = self.facts["reason"] if self.facts else 0
        return records.REASONS[code] if code < len(records.REASONS) else str(code)

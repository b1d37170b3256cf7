"""What a person watching the street is shown, at one moment.

A :class:`Snapshot` is made by the demo and drawn by the live view or told by the plain lines; it
holds values only, so both are tried without a street.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

FEED_LENGTH = 200
"""Events kept for the view; a terminal shows fewer, the logs hold all."""


class Mood(StrEnum):
    """How an event or a state is to be read."""

    GOOD = "good"
    PLAIN = "plain"
    WARNING = "warning"
    BAD = "bad"


class StepState(StrEnum):
    """Where one step of the night's script is."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True)
class Event:
    """Something that happened, at ``time`` of the street (UTC epoch seconds)."""

    time: float
    text: str
    mood: Mood = Mood.PLAIN


@dataclass(frozen=True)
class Part:
    """A program behind the street: gateway, broker or ingest.

    Attributes:
        name: what it is called.
        state: one word, such as ``up`` or ``away``.
        mood: how that state is to be read.
    """

    name: str
    state: str
    mood: Mood


@dataclass(frozen=True)
class StepLine:
    """One step of the script as shown.

    Attributes:
        title: what it does, in a few words.
        state: where it is.
        detail: how far it is, or why it failed; may be empty.
        seconds: machine time since it began, or that it took.
    """

    title: str
    state: StepState
    detail: str
    seconds: float


@dataclass(frozen=True)
class LamppostLine:
    """One lamppost as shown.

    Attributes:
        node: node id, 12 hexadecimal characters.
        name: what staff call it.
        level: dimming level of the luminaire in %, None while not known.
        people_in: people counted towards, since the evening began.
        people_out: people counted away.
        pm25: last mean PM2.5 in ug/m3, None before the first.
        link: ``up``, ``silent`` or ``unknown``, as its gateway reports it.
        reached_by: ``bus`` or ``ble``, the link over which it answered last; empty before.
        version: release it runs, as reported.
        update: what its update is doing, such as ``uploading 40%``; empty when nothing.
        configuration: version and state, as reported.
    """

    node: str
    name: str
    level: int | None
    people_in: int
    people_out: int
    pm25: float | None
    link: str
    reached_by: str
    version: str
    update: str
    configuration: str


@dataclass(frozen=True)
class Snapshot:
    """The street at one moment.

    Attributes:
        street: its name.
        time: street time, UTC epoch seconds.
        speed: seconds of street time in one second of machine time.
        progress: share of the night that has passed, 0 to 1.
        produced: records in the simulator's ledger.
        stored: records in the city store.
        parts: the programs behind the street.
        lampposts: the rows, in the order of their addresses.
        steps: the script.
        events: the latest events, oldest first.
    """

    street: str
    time: float
    speed: float
    progress: float
    produced: int
    stored: int
    parts: tuple[Part, ...]
    lampposts: tuple[LamppostLine, ...]
    steps: tuple[StepLine, ...]
    events: tuple[Event, ...]


class Feed:
    """The latest events, and how many there have been."""

    def __init__(self) -> None:
        self.count = 0
        self._events: deque[Event] = deque(maxlen=FEED_LENGTH)

    def say(self, time: float, text: str, mood: Mood = Mood.PLAIN) -> None:
        """Add an event at street time ``time`` (UTC epoch seconds)."""
        self.count += 1
        self._events.append(Event(time, text, mood))

    def latest(self, count: int = FEED_LENGTH) -> tuple[Event, ...]:
        """The last ``count`` events, oldest first."""
        return tuple(self._events)[-count:] if count > 0 else ()

    def since(self, seen: int) -> Iterable[Event]:
        """Events after the first ``seen`` ones, as far as they are still kept."""
        return self.latest(min(self.count - seen, FEED_LENGTH))

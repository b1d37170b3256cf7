"""What the lampposts have logged so far, read off the ledger as it grows."""

from dataclasses import dataclass, field
from itertools import islice

from protocol import records
from protocol.errors import ProtocolError
from simulators.ledger import Ledger

_PM25 = records.field(records.AIR, "pm25")


@dataclass
class Latest:
    """The latest of each kind that one lamppost has logged.

    Attributes:
        level: dimming level it goes to, %; None before the first.
        reason: why, a code of protocol.records.REASONS.
        people_in: counted towards, in total.
        people_out: counted away, in total.
        pm25: ug/m3; None before the first.
        levels: all levels it has gone to, %.
        out: when it last went to 0 %, UTC epoch seconds; None before the first time.
        events: codes of protocol.records.EVENTS in the order logged, with their values.
    """

    level: int | None = None
    reason: int | None = None
    people_in: int = 0
    people_out: int = 0
    pm25: float | None = None
    out: int | None = None
    levels: set[int] = field(default_factory=set[int])
    events: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])


class Track:
    """Follows a ledger; call :meth:`follow` before looking."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seen = 0
        self._latest: dict[str, Latest] = {}
        self.unreadable = 0

    def of(self, node: str) -> Latest:
        """What ``node`` has logged."""
        return self._latest.setdefault(node, Latest())

    def follow(self) -> None:
        """Take in what was logged since the last call."""
        held = self._ledger.records
        for (node, _, _), body in islice(held.items(), self._seen, None):
            try:
                kind, time, values = records.decode(body)
            except ProtocolError:
                # The proof compares bytes and needs no meaning; here it only is not shown.
                self.unreadable += 1
                continue
            _absorb(self.of(node), kind, time, values)
        self._seen = len(held)


def _absorb(latest: Latest, kind: int, time: int, values: tuple[int, ...]) -> None:
    if kind == records.LAMP:
        latest.level, latest.reason = values[2], values[1]
        latest.levels.add(values[2])
        if values[2] == 0:
            latest.out = time
    elif kind == records.PEOPLE:
        latest.people_in += values[1]
        latest.people_out += values[2]
    elif kind == records.AIR:
        latest.pm25 = values[_PM25] / 10
    elif kind == records.EVENT:
        latest.events.append((values[0], values[1]))

"""Who is to be visited next: cheap with many lampposts, fair whatever each of them wants.

A lamppost that is due stands in one of five queues, first come first served:

    eager     has more to give, or is to be asked at once
    idle      due for a look, and likely to have nothing
    fresh     was not asked since the start
    failing   was up and did not answer last time
    silent    has not answered for longer

The first three share the time: who had least of it is next. One that does not answer costs the link
a timeout, so the failing, and after them the silent, get a bounded share of the time, however many
they are; all of it only while nobody is up.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Final, Literal

from gateway.lampposts.lamppost import Lamppost

Kind = Literal["eager", "idle", "fresh", "failing", "silent"]

# Part of the time that goes to lampposts which did not answer last time.
DOUBTFUL_SHARE: Final = 0.2
# Of that, as much may be saved up (s): when one falls silent it is asked again without delay.
DOUBTFUL_SAVED_S: Final = 10.0
_SHARING: Final[tuple[Kind, ...]] = ("eager", "idle", "fresh")
_DOUBTFUL: Final[tuple[Kind, ...]] = ("failing", "silent")
# A ticket of who stands in a queue already.
_QUEUED: Final = -1


class Agenda:
    """Times are machine seconds, given by the caller; whoever is taken has to be put back."""

    def __init__(self) -> None:
        self._later: list[tuple[float, int, Lamppost]] = []
        self._queues: dict[Kind, deque[Lamppost]] = {}
        for kind in _SHARING + _DOUBTFUL:
            self._queues[kind] = deque()
        # By node: the ticket of its entry in `_later`, or _QUEUED; who has none is not on it.
        self._tickets: dict[bytes, int] = {}
        self._ticket = 0
        self._spent: dict[Kind, float] = {"eager": 0.0, "idle": 0.0, "fresh": 0.0}
        # What the class that went last had spent by then.
        self._least = 0.0
        self._saved = DOUBTFUL_SAVED_S
        self._saved_at = 0.0
        self._doubtful_last = False
        self._up: set[bytes] = set()

    def put(self, lamppost: Lamppost, due: float) -> None:
        """Have `lamppost` visited from `due` on; what was to happen with it before is forgotten."""
        if self._tickets.get(lamppost.node) == _QUEUED:
            return
        self._ticket += 1
        self._tickets[lamppost.node] = self._ticket
        heapq.heappush(self._later, (due, self._ticket, lamppost))

    def drop(self, lamppost: Lamppost) -> None:
        """Take `lamppost` off the agenda."""
        if self._tickets.pop(lamppost.node, None) == _QUEUED:
            for queue in self._queues.values():
                if lamppost in queue:
                    queue.remove(lamppost)
        self._up.discard(lamppost.node)

    def take(self, now: float) -> tuple[Lamppost, Kind] | None:
        """Who is to be visited now, and what is expected of it; None when nobody is."""
        self._collect(now)
        kind = self._choose(now)
        if kind is None:
            return None
        lamppost = self._queues[kind].popleft()
        del self._tickets[lamppost.node]
        self._doubtful_last = kind in _DOUBTFUL
        if kind in _SHARING:
            self._least = self._spent[kind]
        return lamppost, kind

    def wait(self, now: float) -> float:
        """Seconds until `take` may give somebody, when it gave nobody at `now`; at most 60."""
        wait = 60.0
        while self._later and self._tickets.get(self._later[0][2].node) != self._later[0][1]:
            heapq.heappop(self._later)
        if self._later:
            wait = min(wait, self._later[0][0] - now)
        if self._doubtful() is not None:
            wait = min(wait, -self._savings(now) / DOUBTFUL_SHARE)
        return max(0.001, wait)

    def visited(self, lamppost: Lamppost, kind: Kind, seconds: float, now: float) -> None:
        """The visit of `lamppost` took `seconds` of the link's time."""
        if lamppost.link == "up":
            self._up.add(lamppost.node)
        else:
            self._up.discard(lamppost.node)
        if kind in _DOUBTFUL:
            self._saved = self._savings(now)
            # What answers after all costs no more than any other.
            if lamppost.failures:
                self._saved -= seconds
        else:
            self._spent[kind] += seconds

    def _collect(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            _, ticket, lamppost = heapq.heappop(self._later)
            if self._tickets.get(lamppost.node) != ticket:
                continue  # put again since
            self._tickets[lamppost.node] = _QUEUED
            kind = _kind(lamppost)
            if kind in _SHARING and not self._queues[kind]:
                # Who wanted nothing for a while gets no credit for it.
                self._spent[kind] = max(self._spent[kind], self._least)
            self._queues[kind].append(lamppost)

    def _choose(self, now: float) -> Kind | None:
        ready: list[Kind] = [kind for kind in _SHARING if self._queues[kind]]
        doubtful = self._doubtful()
        if doubtful is not None:
            # With others waiting every other visit at most, so that savings are not spent at once.
            allowed = not self._up or self._savings(now) >= 0
            if allowed and not (ready and self._doubtful_last):
                return doubtful
        return min(ready, key=lambda kind: self._spent[kind]) if ready else None

    def _doubtful(self) -> Kind | None:
        for kind in _DOUBTFUL:
            if self._queues[kind]:
                return kind
        return None

    def _savings(self, now: float) -> float:
        elapsed = now - self._saved_at if self._saved_at else 0.0
        self._saved = min(DOUBTFUL_SAVED_S, self._saved + elapsed * DOUBTFUL_SHARE)
        self._saved_at = now
        return self._saved


def _kind(lamppost: Lamppost) -> Kind:
    if lamppost.failures:
        return "failing" if lamppost.link == "up" else "silent"
    if lamppost.link != "up":
        return "fresh"
    return "eager" if lamppost.next_due == 0.0 else "idle"

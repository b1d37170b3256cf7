"""What is dropped when something must be: telemetry before events, the oldest first.

Events are what a lamppost says once, when it happens, and nothing later says again: its start
(BOOT, which also ends the faults that stand), a lamp's new level (LAMP), what it did or what befell
it (EVENT), a lamp's faults (FAULT). Telemetry comes period by period; of energy and counters each
record even holds the total so far, so that the next one makes good most of what a lost one told.

Called inside a job of the writer.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.buffer import outlets, tallies
from gateway.buffer.rows import ROW_OVERHEAD
from gateway.buffer.schema import Database
from protocol import records as kinds

TELEMETRY = (
    kinds.AIR,
    kinds.PEOPLE,
    kinds.ENERGY,
    kinds.STATUS,
    kinds.CLIMATE,
    kinds.GAS,
    kinds.COUNTERS,
    kinds.MEMORY,
    kinds.RESETS,
)
# A record is a CBOR array of at most 9, whose first item, the kind, is below 24: its second byte.
# One of a kind that is not known here is taken for an event.
_IS_TELEMETRY = f"substr(body, 2, 1) IN ({', '.join(f'''x'{kind:02x}' ''' for kind in TELEMETRY)})"
# Telemetry goes at the bound in age, events at this many times that age.
EVENTS_LIVE = 2
# Rows of one transaction: what it makes the write-ahead log grow by is bounded with it.
_MOST_ROWS = 2000
_NO_END = 1 << 62


class Dropped(NamedTuple):
    """Records dropped, by reason; true when there are any.

    events: the part of both reasons that was no telemetry; bytes: what all of them counted for.
    """

    age: int = 0
    disk: int = 0
    events: int = 0
    bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.age or self.disk)

    def plus(self, other: Dropped) -> Dropped:
        """Both together."""
        return Dropped(*(one + more for one, more in zip(self, other, strict=True)))

    @property
    def more(self) -> bool:
        """Whether there may be more to drop for the same reason."""
        return self.age + self.disk >= _MOST_ROWS


class _Gone(NamedTuple):
    rows: int
    bytes: int
    last: int


_NOTHING = _Gone(0, 0, 0)


class Drops:
    """Drops records; each call a bounded number of them, in a transaction of the caller's."""

    def __init__(self) -> None:
        # There is no telemetry below this id: old events there are not looked through each time.
        self._telemetry_from = 0
        self._looked_to = 0

    def settle(self) -> None:
        """The last call has been committed."""
        self._telemetry_from = self._looked_to

    def older(self, db: Database, now: int, max_age_s: float) -> Dropped:
        """Drop what was received more than `max_age_s` before `now`, both s of running time."""
        outlets.drop(db, "id < ?", _first_since(db, "kept", now - max_age_s))
        end = _first_since(db, "record", now - max_age_s)
        rows, size = self._telemetry(db, end, None)
        events = _NOTHING
        if rows < _MOST_ROWS:
            self._looked_to = max(self._looked_to, end)
            events_end = _first_since(db, "record", now - EVENTS_LIVE * max_age_s)
            events = _drop(db, 0, events_end, None)
        age = rows + events.rows
        return _counted(db, Dropped(age=age, events=events.rows, bytes=size + events.bytes))

    def for_room(self, db: Database, wanted: int) -> Dropped:
        """Drop `wanted` bytes, or what there is: what waits for outlets only goes first of all."""
        self._looked_to = self._telemetry_from
        wanted -= outlets.drop_oldest(db, wanted)
        if wanted <= 0:
            return Dropped()
        rows, size = self._telemetry(db, _NO_END, wanted)
        events = _NOTHING
        if size < wanted and rows < _MOST_ROWS:
            events = _drop(db, 0, _NO_END, wanted - size)
        disk = rows + events.rows
        return _counted(db, Dropped(disk=disk, events=events.rows, bytes=size + events.bytes))

    def _telemetry(self, db: Database, end: int, wanted: int | None) -> tuple[int, int]:
        gone = _drop(db, self._telemetry_from, end, wanted, f"AND {_IS_TELEMETRY}")
        self._looked_to = max(self._telemetry_from, gone.last + 1)
        return gone.rows, gone.bytes


def _drop(db: Database, first: int, end: int, wanted: int | None, which: str = "") -> _Gone:
    """Drop the oldest rows with first <= id < end, until `wanted` bytes or a bounded number."""
    oldest = db.conn.execute(
        f"SELECT id, length(body) FROM record WHERE id >= ? AND id < ? {which} ORDER BY id LIMIT ?",  # noqa: S608
        (first, end, _MOST_ROWS),
    )
    rows, size, last = 0, 0, first - 1
    while (wanted is None or size < wanted) and (found := oldest.fetchone()) is not None:
        last, length = found
        rows, size = rows + 1, size + length + ROW_OVERHEAD
    oldest.close()
    if rows:
        where = f"id >= ? AND id <= ? {which}"
        outlets.missed(db, "record", where, first, last)
        db.execute(f"DELETE FROM record WHERE {where}", [first, last])  # noqa: S608
    return _Gone(rows, size, last)


def _first_since(db: Database, table: str, since: float) -> int:
    """The id before which all rows of `table` were received before `since`.

    Running time never goes back, so that it grows with the ids.
    """
    low, high = db.execute(f"SELECT min(id), max(id) FROM {table}").fetchone()  # noqa: S608
    if low is None:
        return 0
    high += 1
    probe = f"SELECT id, received FROM {table} WHERE id >= ? ORDER BY id LIMIT 1"  # noqa: S608
    while low < high:
        middle = (low + high) // 2
        found = db.execute(probe, [middle]).fetchone()
        if found is None or found[1] >= since:
            high = middle
        else:
            low = found[0] + 1
    return low


def _counted(db: Database, dropped: Dropped) -> Dropped:
    tallies.count_up(db, "dropped_age", dropped.age)
    tallies.count_up(db, "dropped_disk", dropped.disk)
    tallies.count_up(db, "events_dropped", dropped.events)
    return dropped

"""What a night has to show beside its ledger, so that silence is not taken for success.

The ledger tells that what was logged has arrived. A lamppost that stopped logging, a record that
never got into a log, or one that a program on its way threw away would not be missed by it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from protocol import records
from protocol.errors import ProtocolError
from simulators.demo.citystore import SET_ASIDE
from simulators.demo.proof import Row

FRESH_SECONDS = 2 * 3600
"""Street time before the freeze in which each lamppost must have logged: two status periods."""

FRESH_MACHINE_SECONDS = 20
"""Machine time that it is given at least: in a fast night, two hours are over in a moment."""

GATEWAY_LOSSES = ("dropped_age", "dropped_disk", "rejected", "missed")
"""Counters of the gateway for records that it did not get, or did not keep."""

LOG_LOSSES = (records.EVENT_LOG_OVERWRITTEN, records.EVENT_LOG_FAILED)
"""Events by which a lamppost tells of records that its log has not kept."""


@dataclass
class Evidence:
    """What the city has from a night.

    Attributes:
        names: name by node id, of every lamppost of the street.
        store: rows in the store's tables for what it could not take.
        gateway: the gateway's counters.
        stored: records in the store by node id.
        last: time of the last record up to the freeze by node id, UTC epoch seconds.
        losses: for (node id, code of :data:`LOG_LOSSES`), records that its log has not kept.
        unreadable: rows of the store that are no record of a known kind.
    """

    names: Mapping[str, str]
    store: Mapping[str, int]
    gateway: Mapping[str, int]
    stored: dict[str, int] = field(default_factory=dict[str, int])
    last: dict[str, int] = field(default_factory=dict[str, int])
    losses: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    unreadable: int = 0

    def take(self, rows: Iterable[Row], end: float) -> "Evidence":
        """Take in the store's rows; ``end`` is the freeze, UTC epoch seconds. Returns itself."""
        for node, _, _, body in rows:
            self.stored[node] = self.stored.get(node, 0) + 1
            try:
                kind, time, values = records.decode(body)
            except ProtocolError:
                self.unreadable += 1
                continue
            if records.CLOCK_EPOCH <= time <= end:
                self.last[node] = max(time, self.last.get(node, 0))
            if kind == records.EVENT and values[0] in LOG_LOSSES:
                key = (node, values[0])
                self.losses[key] = self.losses.get(key, 0) + values[1]
        return self


def doubts(evidence: Evidence, end: float, speed: float) -> list[str]:
    """Why a night whose ledger is clean is none that passed, one line each.

    Args:
        evidence: of the night.
        end: the freeze, UTC epoch seconds.
        speed: street seconds in one machine second.
    """
    return [
        *_silent(evidence, end, max(FRESH_SECONDS, FRESH_MACHINE_SECONDS * speed)),
        *_not_logged(evidence),
        *_not_kept(evidence),
    ]


def _silent(evidence: Evidence, end: float, fresh: float) -> Iterable[str]:
    for node, name in evidence.names.items():
        last = evidence.last.get(node)
        if not evidence.stored.get(node):
            yield f"{name} ({node}): expected records in the city store, got none"
        elif last is None:
            yield f"{name} ({node}): expected dated records up to the end, got none"
        elif last < end - fresh:
            yield (
                f"{name} ({node}): expected a record within {fresh / 3600:.1f} h of the end, "
                f"the last is {(end - last) / 3600:.1f} h older"
            )


def _not_logged(evidence: Evidence) -> Iterable[str]:
    for (node, code), count in sorted(evidence.losses.items()):
        name = evidence.names.get(node, "unknown lamppost")
        yield f"{name} ({node}): {records.EVENTS[code]}, {count} records were not kept"


def _not_kept(evidence: Evidence) -> Iterable[str]:
    if evidence.unreadable:
        yield f"{evidence.unreadable} rows of the store are no record of a known kind"
    for where, names, counts in (
        ("the store's table", SET_ASIDE, evidence.store),
        ("the gateway's counter", GATEWAY_LOSSES, evidence.gateway),
    ):
        for name in names:
            count = counts.get(name)
            if count is None:
                yield f"{where} {name}: expected 0, it is not there to be read"
            elif count:
                yield f"{where} {name}: expected 0, got {count}"

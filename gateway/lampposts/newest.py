"""The newest record of each kind that a lamppost has sent, and the faults that stand.

Seen as they are read from the lamppost, on their way to the buffer, so that who commissions it need
not wait for a city. Nothing here goes to disk.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import cbor2

from gateway.lampposts.integers import integers
from protocol import records
from protocol.errors import ProtocolError

_MEASURED: Final = frozenset(
    {records.AIR, records.PEOPLE, records.ENERGY, records.CLIMATE, records.GAS}
)
# Of these the newest says it all: of a window of them the others need not be read.
_NEWEST_ONLY: Final = _MEASURED - {records.PEOPLE}
_LOST: Final = frozenset({records.EVENT_SENSOR_LOST, records.EVENT_SENSOR_SUSPECT})


@dataclass(slots=True)
class Newest:
    """Of one lamppost, since this gateway started.

    Attributes:
        measured: by kind, the body of the newest record.
        lost: kinds of record that the lamppost says it misses, with the event's code.
        faults: lamp faults that stand, by code.
        people: counted in all.
        since: machine time from which on nothing has been missed.
    """

    measured: dict[int, bytes] = field(default_factory=dict[int, bytes])
    lost: dict[int, int] = field(default_factory=dict[int, int])
    faults: set[int] = field(default_factory=set[int])
    people: int = 0
    since: float = field(default_factory=time.monotonic)

    def take(self, bodies: Iterable[bytes]) -> None:
        """Records that the lamppost has sent, in their order; what is none is passed over."""
        alike: dict[int, list[bytes]] = {}
        for body in bodies:
            kind = _kind(body)
            if kind in _NEWEST_ONLY:
                alike.setdefault(kind, []).append(body)
                continue
            try:
                kind, values = _read(body)
            except ProtocolError:
                continue
            if kind == records.PEOPLE:
                self.measured[kind] = bytes(body)
                self.people += values[1] + values[2]
            elif kind in _MEASURED:
                self.measured[kind] = bytes(body)
            elif kind == records.BOOT:
                # It says anew what is still wrong.
                self.faults.clear()
                self.lost.clear()
            elif kind == records.FAULT:
                (self.faults.add if values[1] else self.faults.discard)(values[0])
            elif kind == records.EVENT:
                self._event(*values)
        for kind, some in alike.items():
            sound = next((body for body in reversed(some) if _is_sound(body)), None)
            if sound is not None:
                self.measured[kind] = bytes(sound)

    def _event(self, code: int, value: int) -> None:
        if code in _LOST and value in records.KINDS:
            self.lost[value] = code
        elif code == records.EVENT_SENSOR_BACK:
            self.lost.pop(value, None)


def _kind(body: bytes) -> int:
    """What the record says it is, by its second byte; -1 where that does not tell."""
    # CBOR's head of an array of less than 24, and an integer of one byte (RFC 8949, 3.1).
    return body[1] if len(body) > 1 and 0x80 <= body[0] < 0x98 and body[1] < 24 else -1


def _read(body: bytes) -> tuple[int, Sequence[int]]:
    """Kind and values. Raises ProtocolError."""
    if (integers(body) or 0) < 2:
        kind, _, values = records.decode(body)
        return kind, values
    kind, time, *values = cbor2.loads(body)
    records.check(kind, time, values)
    return kind, values


def _is_sound(body: bytes) -> bool:
    try:
        _read(body)
    except ProtocolError:
        return False
    return True

"""The newest record of each kind that a lamppost has sent, and the faults that stand.

Seen as they are read from the lamppost, on their way to the buffer, so that who commissions it need
not wait for a city. Nothing here goes to disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from protocol import records
from protocol.errors import ProtocolError

_MEASURED: Final = frozenset(
    {records.AIR, records.PEOPLE, records.ENERGY, records.CLIMATE, records.GAS}
)
_LOST: Final = frozenset({records.EVENT_SENSOR_LOST, records.EVENT_SENSOR_SUSPECT})


@dataclass(slots=True)
class Newest:
    """Of one lamppost, since this gateway started.

    Attributes:
        measured: by kind, the body of the newest record.
        lost: kinds of record that the lamppost says it misses, with the event's code.
        faults: lamp faults that stand, by code.
        people: counted in all.
    """

    measured: dict[int, bytes] = field(default_factory=dict[int, bytes])
    lost: dict[int, int] = field(default_factory=dict[int, int])
    faults: set[int] = field(default_factory=set[int])
    people: int = 0

    def take(self, bodies: Iterable[bytes]) -> None:
        """Records that the lamppost has sent, in their order; what is none is passed over."""
        for body in bodies:
            try:
                kind, _, values = records.decode(body)
            except ProtocolError:
                continue
            if kind in _MEASURED:
                self.measured[kind] = bytes(body)
                if kind == records.PEOPLE:
                    self.people += values[1] + values[2]
            elif kind == records.BOOT:
                # It says anew what is still wrong.
                self.faults.clear()
                self.lost.clear()
            elif kind == records.FAULT:
                (self.faults.add if values[1] else self.faults.discard)(values[0])
            elif kind == records.EVENT:
                self._event(*values)

    def _event(self, code: int, value: int) -> None:
        if code in _LOST and value in records.KINDS:
            self.lost[value] = code
        elif code == records.EVENT_SENSOR_BACK:
            self.lost.pop(value, None)

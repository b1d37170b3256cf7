"""A lamppost that costs its process next to nothing, so that what is measured is the gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol import messages, records
from tests.integration.gateway.fake_node import FakeNode

_BODY = records.encode(records.AIR, 1_800_000_000, 60, 60, 1000, 50, 90, 120, 80, 99, 90, 0)


@dataclass
class QuickNode(FakeNode):
    """As a scripted one, but its log is a run of equal records, of which it knows both ends."""

    oldest: int = 0

    def append(self, count: int = 1) -> None:
        """Write records."""
        self.next_seq += count

    def _street(
        self, command: int, body: dict[str, Any], writes: bool, sealed: bool
    ) -> dict[str, Any]:
        if command != messages.READINGS or not sealed:
            return super()._street(command, body, writes, sealed)
        self.polls += 1
        epoch, seq, limit, acknowledged, _ = messages.parse_readings_request(body)
        if acknowledged is not None and acknowledged[0] == self.epoch:
            self.oldest = max(self.oldest, acknowledged[1] + 1)
        first = max(seq, self.oldest) if epoch == self.epoch else self.oldest
        left = self.next_seq - first if epoch <= self.epoch else 0
        found = max(0, min(left, limit // len(_BODY)))
        return messages.readings_reply(
            self.epoch, first if left > 0 else self.next_seq, [_BODY] * found,
            max(0, left) - found, self.generation, 55, 0,
        )  # fmt: skip

"""One lamppost visited over two links at once: what one has read the other does not undo."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.buffer.records import Position
from gateway.clock import SystemClock
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.visits import Visits
from gateway.logs import get
from tests.unit.gateway.group_posts import Post


class Kept:
    """Records, as far as a visit for facts goes."""

    def __init__(self) -> None:
        self.restarted: list[bytes] = []

    async def restart(self, node: bytes) -> None:
        self.restarted.append(node)


@pytest.mark.parametrize(("ends", "anew"), [(10, False), (9, True)])
async def test_only_a_log_shorter_than_what_was_read_when_it_was_asked_begins_again(
    monkeypatch: pytest.MonkeyPatch, ends: int, anew: bool
) -> None:
    post = Post(1).lamppost
    post.position = post.committed = Position(1, 10)

    async def status(lamppost: Lamppost, attempts: int | None = None) -> dict[str, Any]:
        # Meanwhile it is read on over a link that is faster.
        lamppost.position = lamppost.committed = Position(1, 30)
        return {"epoch": 1, "next_sequence": ends, "level": 50}

    monkeypatch.setattr(management, "status", status)
    kept: Any = Kept()
    await Visits(kept, SystemClock(), 60, 60, get()).visit(post)
    assert kept.restarted == ([post.node] if anew else [])
    assert post.position == (Position(0, 0) if anew else Position(1, 30))

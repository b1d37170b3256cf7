"""Commands whose numbers no database or lamppost could hold."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.buffer import database
from gateway.buffer.state import State
from gateway.buffer.writer import Writer
from gateway.commands import Commands
from gateway.logs import get

NODE = bytes.fromhex("a0b1c2d3e4f5")


class Session:
    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, *_: object, **__: object) -> dict[str, Any]:
        self.asked += 1
        return {}


@pytest.mark.parametrize("command", ["lamp", "identify"])
@pytest.mark.parametrize("expires", [2**32, 2**63, 10**400])
async def test_an_expiry_no_database_holds_is_refused(
    tmp_path: Path, command: str, expires: int
) -> None:
    writer = Writer(database.open_checked(tmp_path / "gateway.db", get()), lambda why: None)
    writer.start()
    far = SimpleNamespace(log=get(), session=Session(), wants_facts=False, next_due=1.0)
    clock = cast("Any", SimpleNamespace(now=lambda: 1_800_000_000))
    commands = Commands({NODE: cast("Any", far)}, State(writer), clock, get())
    document: dict[str, Any] = {"command": command, "seconds": 60}
    if command == "lamp":
        document["level"] = 10
    try:
        await commands.received(NODE, json.dumps({**document, "expires": expires}).encode())
        assert commands.refused == 1
        assert far.session.asked == 0
        await commands.received(NODE, json.dumps({**document, "expires": 2**32 - 1}).encode())
        for task in list(commands._tasks):  # pyright: ignore[reportPrivateUsage]
            await task
        assert far.session.asked == 1
    finally:
        await commands.close()
        writer.close()

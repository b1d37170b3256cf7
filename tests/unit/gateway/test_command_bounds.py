"""Commands whose numbers no database or lamppost could hold."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.buffer import database
from gateway.buffer import state as state_module
from gateway.buffer.state import State, TooManyCommands
from gateway.buffer.writer import Writer
from gateway.commands import Commands, check_expiry
from gateway.logs import get

NODE = bytes.fromhex("a0b1c2d3e4f5")
NOW = 1_800_000_000
WEEK = NOW + 7 * 86_400


class Session:
    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, *_: object, **__: object) -> dict[str, Any]:
        self.asked += 1
        return {}


@pytest.mark.parametrize("command", ["lamp", "identify"])
@pytest.mark.parametrize("expires", [WEEK + 1, 2**32 - 1, 2**32, 2**63, 10**400])
async def test_an_expiry_that_no_database_holds_or_that_is_far_off_is_refused(
    tmp_path: Path, command: str, expires: int
) -> None:
    writer = Writer(database.open_checked(tmp_path / "gateway.db", get()), lambda why: None)
    writer.start()
    far = SimpleNamespace(log=get(), session=Session(), wants_facts=False, next_due=1.0)
    clock = cast("Any", SimpleNamespace(now=lambda: NOW))
    commands = Commands({NODE: cast("Any", far)}, State(writer), clock, get())
    document: dict[str, Any] = {"command": command, "seconds": 60}
    if command == "lamp":
        document["level"] = 10
    try:
        await commands.received(NODE, json.dumps({**document, "expires": expires}).encode())
        assert commands.refused == 1
        assert far.session.asked == 0
        await commands.received(NODE, json.dumps({**document, "expires": WEEK}).encode())
        for task in list(commands._tasks):  # pyright: ignore[reportPrivateUsage]
            await task
        assert far.session.asked == 1
    finally:
        await commands.close()
        writer.close()


def test_nothing_that_expires_is_carried_out_while_the_time_is_unknown() -> None:
    with pytest.raises(ValueError, match="clock"):
        check_expiry(NOW + 60, 0)
    check_expiry(0, 0)
    check_expiry(NOW + 60, NOW)


async def test_commands_that_are_remembered_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "MOST_COMMANDS", 3)
    writer = Writer(database.open_checked(tmp_path / "gateway.db", get()), lambda why: None)
    writer.start()
    state = State(writer)
    try:
        for number in range(3):
            assert await state.first_time(bytes([number]), NOW + number, NOW)
        with pytest.raises(TooManyCommands):
            await state.first_time(b"more", NOW, NOW)
        assert not await state.first_time(b"\0", NOW, NOW), "known as ever"
        assert await state.first_time(b"more", NOW, NOW + 3602), "others have expired"
    finally:
        writer.close()

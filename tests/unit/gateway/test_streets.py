"""The street put together anew while everything runs: what is taken out leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway import logs, street
from gateway.buffer.groupkeys import GroupKey, GroupKeyStore
from gateway.buffer.state import State
from gateway.config import Configuration, load
from gateway.errors import BufferUnavailable, NoReply
from gateway.links import Links, Storage
from gateway.notify import Notifier
from gateway.reload import difference
from gateway.streets import Streets
from gateway.uplink.topics import Topics
from gateway.vitals import Progress, Vitals
from protocol import messages, smp
from tests.unit.gateway.test_buffer import opened
from tests.unit.gateway.test_config import GOOD, write

NODE = "a0b1c2d3e4f5"
SOUTH = '[bus.south]\nport = "/dev/ttyAMA7"\n'
BY_RADIO = """
[ble]
[[lamppost]]
id = "a0b1c2d3e4f6"
name = "two"
ble = true
key = "00112233445566778899aabbccddeeee"
key_id = 1
"""


class Parts(Vitals):
    """Knows which parts it looks after."""

    def __init__(self, storage: Callable[[], Awaitable[object]]) -> None:
        super().__init__(Notifier(logs.get(), {}), storage, logs.get())
        self.names: set[str] = set()
        self.patience: dict[str, float] = {}

    def part(self, name: str, patience_s: float = 1.0) -> Progress:
        self.names.add(name)
        self.patience[name] = patience_s
        return super().part(name, patience_s)

    def gone(self, name: str) -> None:
        self.names.discard(name)
        super().gone(name)


class Town:
    """Streets that run on a real database; no port, broker or radio is there."""

    def __init__(self, folder: Path, streets: Streets, state: State, parts: Parts) -> None:
        self.folder = folder
        self.streets = streets
        self.state = state
        self.parts = parts
        self.running = asyncio.create_task(streets.run())

    def topic(self, rest: str) -> str:
        status = Topics(self.streets.now.configuration.gateway.id).status
        return status.replace("status", rest)

    def read(self, text: str) -> Configuration:
        return load(write(self.folder, text.replace("/tmp/x", str(self.folder / "data"))))[0]

    async def reload(self, text: str) -> list[str]:
        fresh = self.read(text)
        changes = difference(self.streets.now.configuration, fresh)
        applying = asyncio.create_task(self.streets.apply(changes, fresh))
        await asyncio.wait(
            {applying, self.running}, timeout=20, return_when=asyncio.FIRST_COMPLETED
        )
        assert not self.running.done(), self.running.result()
        return await applying


@asynccontextmanager
async def town(folder: Path, text: str) -> AsyncIterator[Town]:
    async with opened(folder / "b.db") as (records, state, writer, _):
        configuration = load(write(folder, text.replace("/tmp/x", str(folder / "data"))))[0]
        storage = Storage(writer, records, state, GroupKeyStore(writer))
        links = Links(
            configuration, storage, lambda node: False, None, configuration.clock.make(), logs.get()
        )
        parts = Parts(records.counters)
        streets = Streets(configuration, links, parts)
        await streets.load()
        made = Town(folder, streets, state, parts)
        try:
            yield made
        finally:
            made.running.cancel()
            await asyncio.gather(made.running, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_a_bus_that_is_taken_out_is_no_longer_waited_for(tmp_path: Path) -> None:
    async with town(tmp_path, GOOD + SOUTH) as made:
        await until(lambda: made.parts.names == {"bus north", "bus south"})
        await made.reload(GOOD)
        await until(lambda: made.parts.names == {"bus north"})


async def test_a_lamppost_on_a_link_of_the_next_start_waits_for_it(tmp_path: Path) -> None:
    async with town(tmp_path, GOOD) as made:
        later = await made.reload(GOOD + BY_RADIO)
        assert "ble" in later
        assert [post.id for post in made.streets.now.lampposts.values()] == [NODE]


async def test_what_the_city_says_during_a_change_is_begun_once(tmp_path: Path) -> None:
    release = {
        "rollout": "r1", "version": "2.0.0", "hash": "ab" * 32, "image": "cd" * 32, "size": 100,
    }  # fmt: skip
    async with town(tmp_path, GOOD) as made:
        topic = made.topic(f"lamppost/{NODE}/desired/release")
        old = made.streets.now
        hold, save = asyncio.Event(), made.state.save_transfer

        async def slow(transfer: object) -> None:
            await hold.wait()
            await save(transfer)  # type: ignore[arg-type]

        made.state.save_transfer = slow  # type: ignore[method-assign]
        said = asyncio.create_task(made.streets.received(topic, json.dumps(release).encode(), None))
        await asyncio.sleep(0.05)
        changing = asyncio.create_task(made.reload(GOOD.replace('name = "one"', 'name = "1"')))
        await asyncio.sleep(0.3)
        hold.set()
        await asyncio.gather(said, changing)
        assert made.streets.now is not old
        assert made.streets.now.updates.describe(bytes.fromhex(NODE))["state"] != "none"
        working = [
            task for task in asyncio.all_tasks()
            if getattr(task.get_coro(), "__qualname__", "") == "Updates._run"
        ]  # fmt: skip
        assert len(working) == 1


@pytest.mark.parametrize("whom", [f"lamppost/{NODE}", "group/all"])
async def test_a_command_that_came_before_a_change_is_carried_out(
    tmp_path: Path, whom: str
) -> None:
    done: list[bytes] = []

    async def ask(message: bytes, *_: object, **options: Any) -> dict[str, Any]:
        options["just_before"]()
        await asyncio.sleep(0.05)
        done.append(message)
        return {}

    async with town(tmp_path, GOOD) as made:
        post = made.streets.now.lampposts[bytes.fromhex(NODE)]
        post.session.ask = ask  # type: ignore[method-assign]
        vars(post.session.route.channels[0])["kind"] = "lan"
        post.link = "up"
        command = {"command": "lamp", "level": 80, "expires": int(time.time()) + 60}
        await made.streets.received(made.topic(f"{whom}/command"), json.dumps(command).encode(), 60)
        await made.reload(GOOD + SOUTH)
        assert len(done) == 1


async def test_what_was_said_to_a_group_is_settled_in_the_street_that_follows(
    tmp_path: Path,
) -> None:
    away = True
    given: list[bytes] = []

    async def ask(message: bytes, *_: object, **options: Any) -> dict[str, Any]:
        if away:
            raise NoReply("no reply in time")
        if smp.unpack(message)[0] == smp.OP_READ:
            return messages.lamp_reply(50, 4, 50)
        options["just_before"]()
        given.append(message)
        return {"l": 80}

    async with town(tmp_path, GOOD) as made:
        post = made.streets.now.lampposts[bytes.fromhex(NODE)]
        post.session.ask = ask  # type: ignore[method-assign]
        post.link = "up"
        command = {"command": "lamp", "level": 80, "expires": int(time.time()) + 60}
        await made.streets.received(
            made.topic("group/all/command"), json.dumps(command).encode(), 60
        )
        await made.reload(GOOD + SOUTH)
        post.link, away = "up", False
        await until(lambda: given)
        await made.reload(GOOD)
        await asyncio.sleep(0.1)
        assert len(given) == 1


async def test_a_radio_with_room_for_one_is_waited_for_as_long_as_a_visit_may_take(
    tmp_path: Path,
) -> None:
    requests, attempts, connects, connect_s = 4, 2, 3, 10.0 + 10.0 + 12.0
    longest_s = requests * attempts * connects * connect_s
    text = GOOD + BY_RADIO.replace("[ble]", "[ble]\nconnections = 1")
    async with town(tmp_path, text) as made:
        await until(lambda: "ble" in made.parts.patience)
        assert made.parts.patience["ble"] > longest_s


async def test_an_outlet_of_the_next_start_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_for: list[str] = []

    def outlets(gateway: str, sections: Mapping[str, object], *_: object) -> list[object]:
        made_for.extend(sections)
        return []

    monkeypatch.setattr(street, "outlets", outlets)
    async with town(tmp_path, GOOD) as made:
        later = await made.reload(GOOD + '[outlet.home]\nkind = "home-assistant"\nhost = "there"\n')
        assert "outlet" in later
        # The buffer keeps nothing for it yet.
        assert made_for == []


async def test_a_disk_without_room_for_a_group_key_stops_no_street(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    current = GroupKeyStore.current

    async def full(self: GroupKeyStore, *named: Any) -> tuple[GroupKey, bool]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise BufferUnavailable("the database cannot commit: database or disk is full")
        return await current(self, *named)

    monkeypatch.setattr(GroupKeyStore, "current", full)
    async with town(tmp_path, GOOD):
        await until(lambda: asked == 2)

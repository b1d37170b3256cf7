"""Group commands: at once for all, then an outcome for each, and never twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.buffer.database import open_checked
from gateway.buffer.state import State
from gateway.buffer.writer import Writer
from gateway.commands import LARGEST
from gateway.errors import LinkUnavailable
from gateway.groups import dimming as module
from gateway.groups.dimming import GroupDimming
from gateway.logs import get
from protocol import messages, smp
from tests.unit.gateway.group_posts import NOW, Post


class Voice:
    """A broadcaster of the bus `north`, whom not everybody hears."""

    def __init__(self, posts: Iterable[Post]) -> None:
        self.posts = list(posts)
        self.deaf: set[int] = set()
        self.without_key: set[int] = set()
        self.said = 0
        self.open = True
        self.keys = SimpleNamespace(has=lambda lamppost: lamppost.address not in self.without_key)

    async def say(self, message: bytes, just_before: Any) -> None:
        if not self.open:
            raise LinkUnavailable("the bus's port is not open")
        just_before()
        self.said += 1
        for post in self.posts:
            address = post.lamppost.address
            if address not in self.deaf and address not in self.without_key and not post.away:
                post.hear(smp.unpack(message)[4])


class Rig:
    def __init__(self, state: State, *posts: Post) -> None:
        self.posts = list(posts)
        self.now = NOW
        self.voice = Voice(post for post in posts if post.lamppost.bus)
        self.dimming = GroupDimming(
            {post.node: post.lamppost for post in posts},
            cast("Any", {"north": self.voice}),
            state,
            cast("Any", SimpleNamespace(now=lambda: self.now)),
            get(),
        )

    async def command(self, group: int, level: int | None, seconds: int = 600, **more: Any) -> None:
        document = {"command": "lamp", "level": level, "seconds": seconds, "expires": NOW + 600}
        await self.dimming.received(group, json.dumps({**document, **more}).encode())

    async def settled(self) -> None:
        async with asyncio.timeout(30):
            while self.dimming._orders:  # noqa: ASYNC110  # pyright: ignore[reportPrivateUsage]
                await asyncio.sleep(0.001)


@asynccontextmanager
async def rig(path: Path, *posts: Post) -> AsyncGenerator[Rig]:
    writer = Writer(open_checked(path, get()), lambda why: None)
    writer.start()
    made = Rig(State(writer), *posts)
    try:
        yield made
    finally:
        await made.dimming.close()
        writer.close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AGAIN_S", 0.002)


async def test_a_group_obeys_one_frame_and_others_do_not(tmp_path: Path) -> None:
    posts = [Post(1, 0b1), Post(2, 0b10), Post(3, 0b11), Post(4)]
    async with rig(tmp_path / "b.db", *posts) as made:
        await made.command(2, 30)
        await made.settled()
        assert [len(post.commands) for post in posts] == [0, 1, 1, 0]
        assert made.voice.said == 1
        assert (made.dimming.done, made.dimming.missed) == (2, 0)
        assert all(post.lamppost.wants_facts for post in posts[1:3])
        asked = [len(post.asked) for post in posts]
        await made.command(2, 40)
        await made.settled()
        again = [len(post.asked) - before for post, before in zip(posts, asked, strict=True)]
        assert again == [0, 1, 1, 0], "their groups are known, until their configuration changes"


async def test_who_missed_it_gets_it_alone_for_the_time_that_is_left(tmp_path: Path) -> None:
    posts = [Post(address) for address in (1, 2, 3)]
    async with rig(tmp_path / "b.db", *posts) as made:
        made.voice.deaf = {2}
        posts[1].away = True
        await made.command(0, 30)
        await asyncio.sleep(0.02)
        made.now += 100
        posts[1].away = False
        await made.settled()
        (level, seconds, _) = posts[1].commands[0]
        assert (level, seconds) == (30, 500)
        assert [len(post.commands) for post in posts] == [1, 1, 1]
        assert made.dimming.done == 3


async def test_an_answer_that_was_lost_is_asked_for_and_not_done_again(tmp_path: Path) -> None:
    post = Post(1)
    async with rig(tmp_path / "b.db", post) as made:
        made.voice.deaf = {1}
        real = post._do  # pyright: ignore[reportPrivateUsage]

        def lose(op: int, group: int, command: int, body: dict[str, Any]) -> dict[str, Any]:
            post.lose_answer = op == smp.OP_WRITE
            return real(op, group, command, body)

        post._do = lose  # type: ignore[method-assign]
        await made.command(0, 30)
        await made.settled()
        assert len(post.commands) == 1


async def test_a_repeat_by_the_broker_is_not_another(tmp_path: Path) -> None:
    post = Post(1)
    async with rig(tmp_path / "b.db", post) as made:
        for _ in range(3):
            await made.command(0, 30)
        await made.command(1, 30)  # for another group: another command
        await made.settled()
        assert made.voice.said == 2
        assert len(post.commands) == 1


async def test_nothing_is_said_after_its_time(tmp_path: Path) -> None:
    post = Post(1)
    async with rig(tmp_path / "b.db", post) as made:
        await made.command(0, 30, expires=NOW - 1)
        await made.settled()
        post.away = True
        await made.command(0, 40, seconds=60)
        await asyncio.sleep(0.01)
        made.now += 61
        post.away = False
        await made.settled()
        assert (post.commands, made.voice.said) == ([], 1)
        assert made.dimming.missed == 2


async def test_a_later_command_is_not_undone_by_an_earlier(tmp_path: Path) -> None:
    first, second = Post(1), Post(2)
    async with rig(tmp_path / "b.db", first, second) as made:
        made.voice.deaf = {1, 2}
        first.away = second.away = True
        await made.command(0, 30)
        await asyncio.sleep(0.01)
        made.voice.deaf = {2}
        first.away = False
        await made.command(0, None)
        second.away = False
        await made.settled()
        assert [level for level, _, _ in first.commands][-1] is None
        assert [level for level, _, _ in second.commands] in ([30, None], [])
        assert first.override is None
        assert second.override is None


async def test_a_command_for_one_lamppost_settles_what_was_before(tmp_path: Path) -> None:
    post = Post(1)
    async with rig(tmp_path / "b.db", post) as made:
        post.away = True
        await made.command(0, 30)
        await asyncio.sleep(0.01)
        made.dimming.overridden(post.node)
        post.away = False
        await made.settled()
        assert post.commands == []


async def test_those_without_bus_or_key_get_it_at_once(tmp_path: Path) -> None:
    bus, keyless, lan = Post(1), Post(2), Post(3, bus=None)
    async with rig(tmp_path / "b.db", bus, keyless, lan) as made:
        made.voice.without_key = {2}
        await made.command(0, 30)
        await made.settled()
        assert [len(post.commands) for post in (bus, keyless, lan)] == [1, 1, 1]
        assert made.dimming.done == 3


async def test_a_port_that_is_away_is_made_up_for(tmp_path: Path) -> None:
    post = Post(1)
    async with rig(tmp_path / "b.db", post) as made:
        made.voice.open = False
        await made.command(0, 30)
        await made.settled()
        assert len(post.commands) == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[" * 3000,
        b'{"command": "identify", "seconds": 3}',
        b'{"command": "lamp", "level": 101, "seconds": 3, "expires": 1}',
        b'{"command": "lamp", "level": 10, "seconds": 3}',
        b'{"command": "lamp", "level": 10, "seconds": 3, "expires": 99999999999}',
        b" " * LARGEST + b"{}",
    ],
)
async def test_what_is_no_lamp_command_is_refused(tmp_path: Path, payload: bytes) -> None:
    post = Post(1)
    async with rig(tmp_path / "b.db", post) as made:
        await made.dimming.received(0, payload)
        assert (made.dimming.refused, made.voice.said, post.asked) == (1, 0, [])


async def test_too_many_at_once_are_refused(tmp_path: Path) -> None:
    post = Post(1)
    async with rig(tmp_path / "b.db", post) as made:
        post.away = True
        for level in range(20):
            await made.command(0, level)
        assert made.dimming.refused == 4


steps = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 2]),
        st.none() | st.integers(0, 100),
        st.sets(st.integers(1, 4)),  # deaf
        st.sets(st.integers(1, 4)),  # away meanwhile
    ),
    min_size=1,
    max_size=5,
)


@given(steps=steps, groups=st.lists(st.integers(0, 3), min_size=4, max_size=4))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_whoever_misses_what_all_end_as_if_they_had_heard_it(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[int, int | None, set[int], set[int]]],
    groups: list[int],
) -> None:
    posts = [Post(number, mask) for number, mask in enumerate(groups, 1)]
    async with rig(tmp_path_factory.mktemp("groups") / "b.db", *posts) as made:
        for number, (group, level, deaf, away) in enumerate(steps):
            made.voice.deaf = deaf
            for address, post in enumerate(posts, 1):
                post.away = address in away
            await made.command(group, level, expires=NOW + 600 + number)
            await asyncio.sleep(0.001)
        for post in posts:
            post.away = False
        await made.settled()
        for post in posts:
            wanted = [
                level for group, level, _, _ in steps
                if messages.in_groups(post.groups, 1 << group - 1 if group else messages.ALL_GROUPS)
            ]  # fmt: skip
            last = wanted[-1] if wanted else None
            assert (post.override[0] if post.override else None) == last
            tags = [why for _, _, why in post.commands]
            assert len(set(tags)) == len(tags), "each at most once"
        assert made.dimming.missed == 0

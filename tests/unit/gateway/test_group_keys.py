"""The key that a bus shares: everybody has it, nobody keeps it, no counter is used twice."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from gateway.buffer.database import open_checked
from gateway.buffer.groupkeys import GroupKeyStore
from gateway.buffer.writer import Writer
from gateway.errors import BadReply, NodeRefused, SealBroken
from gateway.groups.keys import COUNTER_BLOCK, GroupKeys
from gateway.lampposts import management
from gateway.logs import get
from protocol import envelope, messages, smp
from tests.unit.gateway.group_posts import Post

MESSAGE = management.lamp(40, 60, 1, messages.ALL_GROUPS)


@asynccontextmanager
async def store(path: Path) -> AsyncGenerator[GroupKeyStore]:
    writer = Writer(open_checked(path, get()), lambda why: None)
    writer.start()
    try:
        yield GroupKeyStore(writer)
    finally:
        writer.close()


async def keys_of(kept: GroupKeyStore, *posts: Post) -> GroupKeys:
    keys = GroupKeys("north", [post.lamppost for post in posts], kept, get())
    await keys.load()
    return keys


def sealed_with(message: bytes) -> tuple[int, int]:
    """Key id and counter of a message for all."""
    header = envelope.cbor.loads(messages.parse_sealed(smp.unpack(message)[4]))[1]
    return header[4][0], int.from_bytes(header[6], "big")


async def test_everybody_gets_the_key_and_hears_what_is_sealed_with_it(tmp_path: Path) -> None:
    posts = [Post(address) for address in (1, 2, 3)]
    async with store(tmp_path / "b.db") as kept:
        keys = await keys_of(kept, *posts)
        for post in posts:
            assert not keys.has(post.lamppost)
            await keys.install(post.lamppost)
            assert keys.has(post.lamppost)
        message = await keys.seal(MESSAGE)
        assert [post.opens(message) for post in posts] == [True] * 3
        assert [post.opens(message) for post in posts] == [False] * 3, "a repeat is nothing new"
        assert posts[0].opens(await keys.seal(MESSAGE))
        assert smp.unpack(message)[1:4:2] == (smp.GROUP_STREET, messages.SEALED)


async def test_one_that_started_anew_is_given_it_again_and_followed(tmp_path: Path) -> None:
    post, other = Post(1), Post(2)
    async with store(tmp_path / "b.db") as kept:
        keys = await keys_of(kept, post, other)
        for one in (post, other):
            await keys.install(one.lamppost)
        key_id, counter = sealed_with(await keys.seal(MESSAGE))
        post.restart()
        assert not keys.has(post.lamppost), "it may have lost it, and skipped counters"
        post.keys.pop(key_id)  # flashed anew
        post.lowest[key_id] = counter + 5000
        await keys.install(post.lamppost)
        message = await keys.seal(MESSAGE)
        assert sealed_with(message)[1] >= counter + 5000
        assert post.opens(message)
        assert other.opens(message)


async def test_no_counter_is_used_twice_across_restarts_and_restored_copies(
    tmp_path: Path,
) -> None:
    path, copy, post = tmp_path / "b.db", tmp_path / "copy.db", Post(1)
    used: list[tuple[int, int]] = []

    async def life(at: Path, count: int) -> None:
        async with store(at) as kept:
            keys = await keys_of(kept, post)
            used.extend([sealed_with(await keys.seal(MESSAGE)) for _ in range(count)])

    await life(path, 5)
    shutil.copy(path, copy)
    for _ in range(3):
        await life(path, COUNTER_BLOCK + 3)
    shutil.copy(copy, path)
    await life(path, 5)
    assert len(set(used)) == len(used)
    assert len({key_id for key_id, _ in used}) == 1


async def test_a_key_that_left_with_a_lamppost_opens_nothing_any_more(tmp_path: Path) -> None:
    first, second, stolen = Post(1), Post(2), Post(3)
    async with store(tmp_path / "b.db") as kept:
        keys = await keys_of(kept, first, second, stolen)
        for post in (first, second, stolen):
            await keys.install(post.lamppost)
        before = sealed_with(await keys.seal(MESSAGE))[0]
    async with store(tmp_path / "b.db") as kept:
        keys = await keys_of(kept, first, second)
        assert not keys.has(first.lamppost)
        for post in (first, second):
            await keys.install(post.lamppost)
        message = await keys.seal(MESSAGE)
        now = sealed_with(message)[0]
        assert now != before
        assert envelope.is_group_key(now)
        assert not stolen.opens(message)
        for post in (first, second):
            assert post.opens(message)
            assert sorted(post.keys) == [1, now], "what the thief has is taken off the others"
        assert stolen.keys[before] != first.keys[now]
    async with store(tmp_path / "b.db") as kept:
        keys = await keys_of(kept, first, second)
        assert sealed_with(await keys.seal(MESSAGE))[0] == now, "once is enough"


async def test_another_lamppost_more_is_no_reason_for_another_key(tmp_path: Path) -> None:
    first, late = Post(1), Post(2)
    async with store(tmp_path / "b.db") as kept:
        keys = await keys_of(kept, first)
        await keys.install(first.lamppost)
        before = sealed_with(await keys.seal(MESSAGE))
        # As when the configuration is read anew: the store stays, the rest is made again.
        keys = await keys_of(kept, first, late)
        message = await keys.seal(MESSAGE)
        assert sealed_with(message)[0] == before[0]
        assert sealed_with(message)[1] > before[1]
        assert first.opens(message)


async def test_one_that_only_went_before_it_had_the_key_changes_nothing(tmp_path: Path) -> None:
    async with store(tmp_path / "b.db") as kept:
        keys = await keys_of(kept, Post(1), Post(2))
        before = sealed_with(await keys.seal(MESSAGE))[0]
    async with store(tmp_path / "b.db") as kept:
        keys = await keys_of(kept, Post(1))
        assert sealed_with(await keys.seal(MESSAGE))[0] == before


async def test_a_lost_database_makes_another_key(tmp_path: Path) -> None:
    made: set[bytes] = set()
    post = Post(1)
    for name in ("a.db", "b.db", "c.db"):
        async with store(tmp_path / name) as kept:
            keys = await keys_of(kept, post)
            await keys.install(post.lamppost)
            assert post.opens(await keys.seal(MESSAGE))
            (key_id,) = (at for at in post.keys if envelope.is_group_key(at))
            made.add(post.keys[key_id])
    assert len(made) == 3


async def test_a_floor_that_would_use_up_the_counters_is_not_followed(tmp_path: Path) -> None:
    liar, honest = Post(1), Post(2)
    async with store(tmp_path / "b.db") as kept:
        keys = await keys_of(kept, liar, honest)
        await keys.install(honest.lamppost)
        key_id, _ = sealed_with(await keys.seal(MESSAGE))
        liar.lowest[key_id] = envelope.MAX_COUNTER
        with pytest.raises(BadReply, match="cannot be"):
            await keys.install(liar.lamppost)
        assert not keys.has(liar.lamppost)
        assert honest.opens(await keys.seal(MESSAGE))


async def test_who_refuses_the_key_does_not_have_it(tmp_path: Path) -> None:
    post = Post(1)
    post.refuses_keys = True
    async with store(tmp_path / "b.db") as kept:
        keys = await keys_of(kept, post)
        with pytest.raises(NodeRefused):
            await keys.install(post.lamppost)
        assert not keys.has(post.lamppost)


async def test_the_key_is_in_a_file_of_its_user_alone_and_shown_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    async with store(path) as kept:
        key, new = await kept.current("north", [])
        assert new
        assert key.key.hex() not in repr(key)
        assert repr(key.key) not in repr(key)
        with pytest.raises(SealBroken, match="no group key yet"):
            await GroupKeys("north", [], kept, get()).seal(MESSAGE)
    assert path.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT length(key) FROM group_key").fetchone() == (16,)

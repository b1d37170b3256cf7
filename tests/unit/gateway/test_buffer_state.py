"""Sealing counters that are never used twice, and saved rows that cannot be used."""

from __future__ import annotations

import shutil
from pathlib import Path

from gateway.buffer.state import Transfer, Wish
from tests.unit.gateway.test_buffer import NODE, opened

OTHER = bytes.fromhex("a0b1c2d3e4f6")


async def test_counters_follow_each_other_within_a_process(tmp_path: Path) -> None:
    async with opened(tmp_path / "b.db") as (_, state, _, _):
        first, end = await state.reserve_counters(NODE, 0, 100)
        assert 0 <= first < 1 << 38
        assert end == first + 100
        assert await state.reserve_counters(NODE, end, 100) == (end, end + 100)
        assert await state.reserve_counters(NODE, end + 5000, 100) == (end + 5000, end + 5100)


async def test_a_lost_or_older_database_does_not_give_out_counters_again(tmp_path: Path) -> None:
    async def used(path: Path) -> int:
        async with opened(path) as (_, state, _, _):
            return (await state.reserve_counters(NODE, 0, 1))[0]

    lost = {await used(tmp_path / f"{number}.db") for number in range(8)}
    # By chance alone two of eight are nearer than a million once in ten thousand runs or so.
    assert len(lost) == 8
    assert max(lost) > 1 << 30
    path = tmp_path / "0.db"
    restored: set[int] = set()
    for number in range(4):
        copy = tmp_path / f"copy{number}.db"
        shutil.copy(path, copy)
        restored.add(await used(copy))
    assert len(restored) == 4
    reserved = max(restored) - min(restored)
    assert reserved < 1 << 20


async def test_a_saved_row_that_cannot_be_used_is_dropped_and_the_others_serve(
    tmp_path: Path,
) -> None:
    good = Transfer(NODE, "r1", "1.0.0", "ab" * 32, "cd" * 32, 100, "upload", 3, 1, "")
    bad = Transfer(OTHER, "r1", "1.0.0", "ab" * 32, "cd" * 32, 100, "trixl", 3, 1, "")
    path = tmp_path / "b.db"

    def known(transfer: Transfer) -> None:
        if transfer.step != "upload":
            raise ValueError(f"no step: {transfer.step}")

    async with opened(path) as (_, state, writer, _):
        for node in (NODE, OTHER):
            await state.save_wish(node, "configuration", Wish({"version": 1}, {}))
            await state.save_wish(node, "release", Wish({"version": "1"}, {}))
            await state.save_facts(node, {"version": "1.0.0"})
        await state.save_transfer(good)
        await state.save_transfer(bad)
        for statement in (
            """UPDATE desired SET document = '{"vers' WHERE node = ? AND kind = 'configuration'""",
            "UPDATE reported SET document = CAST(x'7b22ff227d' AS TEXT) WHERE node = ?",
        ):
            await writer.submit(lambda database, sql=statement: database.execute(sql, [OTHER]))
    for _ in range(2):
        async with opened(path) as (_, state, _, _):
            assert await state.wishes("configuration") == {NODE: Wish({"version": 1}, {})}
            assert set(await state.wishes("release")) == {NODE, OTHER}
            assert await state.facts() == {NODE: {"version": "1.0.0"}}
            assert await state.transfers(known) == {NODE: good}
    async with opened(path) as (_, state, _, _):
        assert await state.transfers() == {NODE: good}, "dropped for good"
        assert await state.facts(lambda facts: facts["hash"]) == {}

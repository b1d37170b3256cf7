"""The write-ahead log cut or spoilt anywhere: what was acknowledged is there, nothing by half."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.buffer import database as db
from gateway.logs import get
from tests.unit.gateway.test_buffer import batch, opened

PAGE = 4096
FRAME = 24 + PAGE
HEAD = 32
EACH = 40


class Moment(NamedTuple):
    """The files before and after one commit; `acknowledged` batches were there before it."""

    acknowledged: int
    before: tuple[bytes, bytes]
    after: tuple[bytes, bytes]


async def moments(folder: Path, commits: int) -> list[Moment]:
    """Some commits, with a log so short that it is worked into the file and begun anew in between.

    The lamppost's position goes on in the same transaction as its records.
    """
    path = folder / "origin.db"
    found: list[Moment] = []
    async with opened(path) as (records, _, writer, _):
        await writer.submit_alone(
            lambda database: database.execute("PRAGMA wal_autocheckpoint = 8").fetchall()
        )
        before = contents(path)
        for number in range(commits):
            await records.add(batch(number * EACH, EACH, start=number * EACH or None))
            after = contents(path)
            found.append(Moment(number, before, after))
            before = after
    return found


def contents(path: Path) -> tuple[bytes, bytes]:
    return path.read_bytes(), path.with_name(path.name + "-wal").read_bytes()


def cuts(moment: Moment, step: int | None) -> Iterator[int]:
    """Where what this commit wrote to the log may be cut: at each frame's ends and within."""
    old, new = moment.before[1], moment.after[1]
    at = next((at for at in range(min(len(old), len(new))) if old[at] != new[at]), len(old))
    end = (
        max((at for at in range(len(new)) if new[at : at + 1] != old[at : at + 1]), default=at) + 1
    )
    if step is not None:
        yield from range(at, end + 1, step)
        return
    yield from {at, at + 1, HEAD - 1, HEAD} & set(range(at, end))
    for frame in range(HEAD, end, FRAME):
        for inside in (0, 1, 23, 24, FRAME // 2, FRAME - 1):
            if at <= frame + inside <= end:
                yield frame + inside
    yield end


def recovered(folder: Path, file: bytes, log: bytes) -> tuple[int, list[int], bool]:
    """Open files as a killed gateway left them.

    Gives the position, the records' numbers, and whether it was taken for damaged.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "gateway.db"
    path.write_bytes(file)
    path.with_name("gateway.db-wal").write_bytes(log)
    database = db.open_checked(path, get())
    try:
        rows = database.execute("SELECT seq FROM record ORDER BY id").fetchall()
        position = database.execute("SELECT seq FROM cursor").fetchone()
    finally:
        database.conn.close()
    numbers = [seq for (seq,) in rows]
    return position[0] if position else 0, numbers, bool(db.set_aside(path))


def assert_whole(moment: Moment, position: int, rows: list[int], damaged: bool) -> None:
    assert not damaged, "a cut log is none"
    assert position in (moment.acknowledged * EACH, (moment.acknowledged + 1) * EACH)
    assert rows == list(range(position)), "a batch and its position are one"


async def torn_at(folder: Path, commits: int, step: int | None) -> int:
    tried = 0
    for moment in await moments(folder, commits):
        old, new = moment.before[1], moment.after[1]
        for cut in cuts(moment, step):
            # Written up to the cut: beyond is what was there before, or nothing.
            found = recovered(folder / "torn", moment.before[0], new[:cut] + old[cut:])
            assert_whole(moment, *found)
            tried += 1
    return tried


async def test_a_log_cut_at_any_frame_or_within_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    assert await torn_at(tmp_path, 5, None) > 50


@pytest.mark.soak
async def test_a_log_cut_anywhere_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    tried = await torn_at(tmp_path, 40, 97)
    print(f"{tried} cuts")
    assert tried > 4000


async def worked_in_by_part(folder: Path, commits: int, chance: random.Random, times: int) -> int:
    tried = 0
    for moment in await moments(folder, commits):
        old, new = moment.before[0], moment.after[0]
        if old == new:
            continue
        changed = [
            at for at in range(0, len(new), PAGE) if new[at : at + PAGE] != old[at : at + PAGE]
        ]
        for _ in range(times):
            # A card writes in any order, and may stop in the middle of a page.
            file = bytearray(old.ljust(len(new), b"\0"))
            for at in chance.sample(changed, chance.randrange(len(changed) + 1)):
                end = at + chance.choice((PAGE, PAGE, 512, 1000))
                file[at:end] = new[at:end]
            kept = max(len(old), chance.choice((len(old), len(new))))
            found = recovered(folder / "part", bytes(file[:kept]), moment.after[1])
            position, rows, damaged = found
            assert not damaged
            assert position == (moment.acknowledged + 1) * EACH
            assert rows == list(range(position))
            tried += 1
    return tried


async def test_a_log_worked_into_the_file_by_part_is_worked_in_again(tmp_path: Path) -> None:
    assert await worked_in_by_part(tmp_path, 10, random.Random(7), 5) >= 10


@pytest.mark.soak
async def test_a_log_worked_in_by_any_part_is_worked_in_again(tmp_path: Path) -> None:
    assert await worked_in_by_part(tmp_path, 60, random.Random(8), 200) > 1000


async def rubbish_at(folder: Path, commits: int, chance: random.Random, times: int) -> None:
    """What was being written when the power went holds anything at all."""
    found = await moments(folder, commits)
    for moment in chance.choices(found, k=times):
        old, new = moment.before[1], bytearray(moment.after[1])
        ends = list(cuts(moment, None))
        begin, end = sorted(chance.sample(range(ends[0], ends[-1] + 1), 2))
        new[begin:end] = chance.randbytes(end - begin)
        position, rows, damaged = recovered(
            folder / "rubbish", moment.before[0], bytes(new) + old[len(new) :]
        )
        assert_whole(moment, position, rows, damaged)


async def test_rubbish_where_it_was_writing_costs_nothing_acknowledged(tmp_path: Path) -> None:
    await rubbish_at(tmp_path, 8, random.Random(5), 15)


@pytest.mark.soak
async def test_much_rubbish_where_it_was_writing_costs_nothing_acknowledged(tmp_path: Path) -> None:
    await rubbish_at(tmp_path, 40, random.Random(6), 4000)


async def spoilt(folder: Path, commits: int, chance: random.Random, times: int) -> None:
    """Bits flipped anywhere in the log, long after it was written: no crash, nothing by half.

    SQLite takes the log up to there; commits beyond are gone, and their records with them.
    """
    found = await moments(folder, commits)
    for moment in chance.choices(found, k=times):
        log = bytearray(moment.after[1])
        at = chance.randrange(len(log))
        log[at] ^= 1 << chance.randrange(8)
        position, rows, damaged = recovered(folder / "spoilt", moment.after[0], bytes(log))
        if damaged:
            assert moment.before[0] != moment.after[0], "only of a log already worked in"
        else:
            assert position % EACH == 0
            assert rows == list(range(position))


async def test_flipped_bits_in_the_log_leave_nothing_by_half(tmp_path: Path) -> None:
    await spoilt(tmp_path, 8, random.Random(3), 25)


@pytest.mark.soak
async def test_many_flipped_bits_in_the_log_leave_nothing_by_half(tmp_path: Path) -> None:
    await spoilt(tmp_path, 30, random.Random(4), 4000)

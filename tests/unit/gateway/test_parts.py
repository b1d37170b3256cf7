"""Small parts: batches, topics, backoff, clock, troubles, desired documents, images."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import desired, logs
from gateway.backoff import FullJitter
from gateway.buffer.records import Row
from gateway.clock import SimulatedClock
from gateway.logs import Trouble
from gateway.updates.images import Images, hash_of
from gateway.uplink import batches, topics
from protocol import cbor, configuration
from protocol.errors import ProtocolError
from tests.integration.gateway.images import make_image

NODES = [bytes([0xA0, 0, 0, 0, 0, number]) for number in range(3)]


@given(
    st.lists(st.tuples(st.sampled_from(NODES), st.integers(0, 2), st.integers(0, 5)), max_size=60)
)
def test_packing_keeps_every_row_once_in_runs_of_consecutive_records(
    keys: list[tuple[bytes, int, int]],
) -> None:
    rows = [Row(index, *key, body=b"x") for index, key in enumerate(keys)]
    groups = list(batches.pack(rows))
    assert sorted(row.id for group in groups for row in group) == list(range(len(rows)))
    for group in groups:
        first = group[0]
        for offset, row in enumerate(group):
            assert (row.node, row.epoch, row.seq) == (first.node, first.epoch, first.seq + offset)


def test_interleaved_lampposts_still_make_long_runs() -> None:
    rows = [Row(index, NODES[index % 3], 1, index // 3, b"x" * 20) for index in range(3 * 600)]
    groups = list(batches.pack(rows))
    assert len(groups) == 9
    assert max(map(len, groups)) == batches.MOST_RECORDS
    assert cbor.loads(batches.payload(groups[0]))[:4] == [1, NODES[0], 1, 0]


def test_topics() -> None:
    mine = topics.Topics("cabinet-1")
    assert mine.parse("lamplighter/v1/cabinet-1/lamppost/a0b1c2d3e4f5/command") == (
        bytes.fromhex("a0b1c2d3e4f5"),
        "command",
    )
    for foreign in (
        "lamplighter/v1/cabinet-12/lamppost/a0b1c2d3e4f5/command",
        "lamplighter/v1/cabinet-1/lamppost/A0B1C2D3E4F5/command",
        "lamplighter/v1/cabinet-1/lamppost/a0b1c2d3e4f5/desired/other",
        "lamplighter/v1/cabinet-1/lamppost/a0b1c2d3e4f5/command/x",
    ):
        assert mine.parse(foreign) is None
    assert topics.parse_release(topics.release("ab")) == "ab"


def test_full_jitter_stays_within_a_growing_bound_and_starts_again() -> None:
    backoff = FullJitter(1, 10, random.Random(1))
    delays = [backoff.next_delay() for _ in range(200)]
    for delay, bound in zip(delays, [1, 2, 4, 8, *[10] * 196], strict=True):
        assert 0 <= delay <= bound
    assert max(delays) > 8
    backoff.reset()
    assert backoff.next_delay() <= 1


def test_simulated_time_runs_at_its_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    origin = time.time_ns()
    clock = SimulatedClock(origin, 1_800_000_000, 340)
    monkeypatch.setattr("gateway.clock.time.time_ns", lambda: origin + 10 * 10**9)
    assert clock.now() == 1_800_003_400


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **_: self.lines.append((level, event))


def test_a_repeated_failure_is_a_warning_once() -> None:
    log = Log()
    trouble = Trouble(log, "away")  # type: ignore[arg-type]
    for _ in range(3):
        trouble.failed()
    trouble.over()
    trouble.over()
    trouble.failed()
    assert [level for level, _ in log.lines] == ["warning", "debug", "debug", "info", "warning"]


def test_a_failure_for_another_reason_is_a_warning_again_but_not_for_ever() -> None:
    log = Log()
    trouble = Trouble(log, "away")  # type: ignore[arg-type]
    for why in ("refused", "not authorised", "refused"):
        trouble.failed(why=why)
    assert [level for level, _ in log.lines] == ["warning", "warning", "debug"]
    for number in range(100):
        trouble.failed(why=f"reason {number}")
    assert sum(level == "warning" for level, _ in log.lines) == 4


def document(**changes: Any) -> bytes:
    values = {"lamp/default_level": 70}
    good = {"version": 3, "digest": configuration.digest(values).hex(), "values": values}
    return json.dumps({**good, **changes}).encode()


def test_a_desired_document_is_parsed() -> None:
    assert desired.parse(document()) == (3, {"lamp/default_level": 70})


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"{", "not JSON"),
        (b"[]", "expected a JSON object, got"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 10_000, "not JSON"),
        (b" " * 20_000, "at most 16384"),
        (document(version="3"), "version: expected an integer"),
        (document(version=True), "version: expected an integer"),
        (document(values={"lamp/level": 3}), "no such field"),
        (document(values=None), "expected a map"),
        (document(digest="00" * 8), "digest: expected"),
    ],
)
def test_a_wrong_desired_document_says_what_is_wrong(payload: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        desired.parse(payload)


@given(st.binary(max_size=200))
def test_a_desired_document_of_garbage_raises_value_error(payload: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any text
        desired.parse(payload)


def test_the_hash_of_an_image_is_checked() -> None:
    image = make_image()
    assert hash_of(image) == image[-32:].hex()
    for damaged in (image[:-1] + b"\x00", image[:100], b"", image[:40] + b"\xff" + image[41:]):
        with pytest.raises(ProtocolError):
            hash_of(damaged)


async def test_an_old_image_that_cannot_be_deleted_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / f"{'ab' * 32}.img").mkdir()
    nobody: Any = None
    await Images(tmp_path, nobody, logs.get()).keep_only([])


def test_an_image_that_is_wanted_is_kept_while_it_is_being_written(tmp_path: Path) -> None:
    wanted, old = "ab" * 32, "cd" * 32
    nobody: Any = None
    for name in (f"{wanted}.img", f".{wanted}.img.x1y2", f"{old}.img", f".{old}.img.x1y2"):
        (tmp_path / name).write_bytes(b"")
    asyncio.run(Images(tmp_path, nobody, logs.get()).keep_only([wanted]))
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{wanted}.img",
        f".{wanted}.img.x1y2",
    }

"""The steps of an update: kept on flash, and capped."""

from pathlib import Path

import pytest

from firmware.node.update import refusal
from firmware.node.update.progress import MAX_STEPS, Progress
from firmware.node.update.refusal import Refused
from protocol.messages import UPDATE_CONFIRMED, UPDATE_PENDING, UPDATE_TRIAL, UPDATE_VERIFYING

IMAGE = bytes(range(32))
OTHER = bytes(32)


def test_each_step_is_on_flash_before_it_is_taken(tmp_path: Path) -> None:
    progress = Progress(str(tmp_path))
    for count, state in enumerate((UPDATE_VERIFYING, UPDATE_PENDING, UPDATE_TRIAL), 1):
        progress.enter(IMAGE, state)
        kept = Progress(str(tmp_path))
        assert (kept.id, kept.state, kept.steps) == (IMAGE, state, count)


def test_after_so_many_steps_an_image_is_given_up_until_it_is_erased_or_another_comes(
    tmp_path: Path,
) -> None:
    # A reset at each, as when the watchdog bites in every unpacking.
    for _ in range(MAX_STEPS):
        Progress(str(tmp_path)).enter(IMAGE, UPDATE_VERIFYING)
    progress = Progress(str(tmp_path))
    with pytest.raises(Refused, match=f"after {MAX_STEPS} steps, the last was verifying") as given:
        progress.enter(IMAGE, UPDATE_VERIFYING)
    assert given.value.code == refusal.GAVE_UP
    with pytest.raises(Refused):
        Progress(str(tmp_path)).check(IMAGE)

    progress.check(OTHER)
    progress.clear()
    progress.enter(IMAGE, UPDATE_VERIFYING)
    assert progress.steps == 1


def test_an_image_that_is_confirmed_has_its_steps_forgotten(tmp_path: Path) -> None:
    progress = Progress(str(tmp_path))
    for _ in range(MAX_STEPS - 1):
        progress.enter(IMAGE, UPDATE_TRIAL)
    progress.note(IMAGE, UPDATE_CONFIRMED)

    assert (progress.steps, Progress(str(tmp_path)).steps) == (0, 0)


def test_an_upload_whose_hash_nobody_said_is_not_counted_with_others(tmp_path: Path) -> None:
    progress = Progress(str(tmp_path))
    for _ in range(MAX_STEPS + 5):
        progress.enter(None, UPDATE_VERIFYING)
    assert progress.steps == 1


@pytest.mark.parametrize(
    "junk",
    [b"", b"{", b"[]", b'{"id": "zz", "state": 1, "steps": 2}', b'{"id": "", "state": 99}',
     b'{"id": "00", "state": 1, "steps": -4}', bytes(300)],
)  # fmt: skip
def test_a_rotten_record_counts_from_nothing(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "update.json").write_bytes(junk)
    progress = Progress(str(tmp_path))

    assert (progress.id, progress.steps) == (b"", 0)
    progress.enter(IMAGE, UPDATE_VERIFYING)
    assert Progress(str(tmp_path)).steps == 1


def test_a_flash_that_refuses_stops_a_step_and_not_a_note(tmp_path: Path) -> None:
    progress = Progress(str(tmp_path))
    progress.enter(IMAGE, UPDATE_VERIFYING)
    (tmp_path / "update.json.new").mkdir()

    with pytest.raises(OSError, match="new"):
        progress.enter(IMAGE, UPDATE_PENDING)
    progress.note(IMAGE, UPDATE_PENDING)
    assert (progress.state, progress.steps) == (UPDATE_VERIFYING, 1)

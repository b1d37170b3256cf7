"""The flash's shares: what lies on it beside log, slots and upload is counted before they are."""

import os
from pathlib import Path

import pytest

from firmware.build.bootfiles import stock_files
from firmware.build.image import BOOT_STAGE_BLOCKS
from firmware.node.update import budget

BLOCK = 4096
BLOCKS = 512
LOG = 192 * 1024


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for a flash of 512 blocks, seen as MicroPython sees one."""

    def ilistdir(folder: str) -> list[tuple[str, int, int, int]]:
        return [
            (path.name, 0x4000 if path.is_dir() else 0x8000, 0, path.stat().st_size)
            for path in (Path(folder).iterdir() if Path(folder).is_dir() else _none(folder))
        ]

    monkeypatch.setattr(os, "ilistdir", ilistdir, raising=False)
    monkeypatch.setattr(os, "statvfs", lambda _: (BLOCK, BLOCK, BLOCKS))
    return tmp_path


def _none(folder: str) -> list[Path]:
    raise OSError(2, folder)


def test_shares_leave_room_for_the_boot_stage_where_it_is_on_this_flash(root: Path) -> None:
    alone = budget.of(str(root), LOG)
    for name, data in stock_files("esp32s3-ref").items():
        path = root / name.lstrip("/")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    beside = budget.of(str(root), LOG)
    given = (2 * alone.slot_blocks + alone.upload_blocks) - (
        2 * beside.slot_blocks + beside.upload_blocks
    )
    taken = budget.used(str(root), BLOCK) - 2  # the root's own
    assert taken <= given <= BOOT_STAGE_BLOCKS
    all_of_it = beside.log_blocks + 2 * beside.slot_blocks + beside.upload_blocks
    assert all_of_it + budget.RESERVE + taken <= BLOCKS


def test_a_build_reckons_with_no_more_room_than_a_node_on_stock_micropython_has(
    root: Path,
) -> None:
    reckoned = budget.Budget(BLOCKS, BLOCK, boot_stage=BOOT_STAGE_BLOCKS)
    assert reckoned.max_image <= budget.of(str(root), LOG).max_image

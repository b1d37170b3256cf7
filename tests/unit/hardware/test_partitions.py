"""Partition tables: by Espressif's rules and the firmware's needs, and as they lie in flash."""

import dataclasses
import hashlib
import itertools
import struct
from pathlib import Path

import pytest

from firmware.build.flash import ROM_SIZE
from firmware.build.layouts import LAYOUTS
from firmware.node.update.budget import Budget
from firmware.node.update.image import MAX_INFLATED, MAX_SIZE
from hardware import model, partitions
from hardware.partitions import MIB, Partition

BLOCK = 4096
BOARDS = [model.board(name) for name in model.board_ids()]


@pytest.mark.parametrize("size", partitions.SIZES)
def test_a_table_fits_its_flash_without_a_gap_or_an_overlap(size: int) -> None:
    found = sorted(partitions.custom(size).values(), key=lambda part: part.offset)
    assert [part.name for part in found] == ["nvs", "phy_init", "factory", "romfs", "vfs"]
    for before, after in itertools.pairwise(found):
        assert before.end == after.offset
    assert found[0].offset == 0x9000, "after the table, which takes a block at 0x8000"
    assert found[-1].end == size * MIB
    assert list(partitions.wrong(partitions.custom(size))) == []


@pytest.mark.parametrize("size", partitions.SIZES)
def test_a_table_in_flash_is_what_the_bootloader_reads(size: int) -> None:
    """Magic, type, subtype, offset, size, name; then the MD5 of the lines before; then nothing."""
    data = partitions.binary(size)
    expected = b"".join(
        struct.pack(
            "<2sBBII16sI", b"\xaa\x50", part.type, part.subtype, part.offset, part.size,
            part.name.encode(), 0,
        )
        for part in partitions.custom(size).values()
    )  # fmt: skip
    end = len(expected)
    assert data[:end] == expected
    md5 = hashlib.md5(expected, usedforsecurity=False).digest()
    assert data[end : end + 32] == b"\xeb\xeb" + b"\xff" * 14 + md5
    assert data[end + 32 :] == b"\xff" * (0xC00 - end - 32)


@pytest.mark.parametrize("size", partitions.SIZES)
def test_partitions_hold_what_the_firmware_puts_there(size: int) -> None:
    found = partitions.custom(size)
    half = found["romfs"].size // 2
    assert half - BLOCK >= MAX_INFLATED, "the largest payload that a node takes"
    assert Budget(found["vfs"].size // BLOCK, BLOCK, capacity=half).max_image >= MAX_SIZE
    stock = partitions.stock(size)["vfs"]
    folders = Budget(stock.size // BLOCK, BLOCK)
    assert folders.max_image > 150_000, "the application is 128,000 bytes, and grows"
    assert folders.slot_blocks > 150


def test_the_smallest_flash_has_the_room_that_the_build_reckons_with() -> None:
    assert min(partitions.custom(size)["romfs"].size for size in partitions.SIZES) == ROM_SIZE


@pytest.mark.parametrize("size", partitions.SIZES)
def test_stock_micropython_gives_the_rest_of_the_flash_to_its_files(size: int) -> None:
    vfs = partitions.stock(size)["vfs"]
    assert (vfs.offset, vfs.size) == (2 * MIB, (size - 2) * MIB)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.id)
def test_the_build_knows_where_things_lie_on_a_board(board: model.Board) -> None:
    layout = LAYOUTS[board.id]
    custom = partitions.custom(board.flash_mib)
    assert layout.flash == board.flash_mib * MIB
    assert layout.vfs == (custom["vfs"].offset, custom["vfs"].size)
    assert layout.romfs == (custom["romfs"].offset, custom["romfs"].size)
    assert layout.stock_vfs.offset + layout.stock_vfs.size == layout.flash


SOUND = partitions.custom(4)


def without(name: str) -> dict[str, Partition]:
    return {key: part for key, part in SOUND.items() if key != name}


def altered(name: str, **changes: int) -> dict[str, Partition]:
    return {**SOUND, name: dataclasses.replace(SOUND[name], **changes)}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (without("vfs"), "expected a partition vfs, there is none"),
        (without("romfs"), "expected a partition romfs, there is none"),
        (altered("vfs", size=0x14F800), "vfs: size 0x14f800 is no multiple of 0x1000"),
        (altered("romfs", size=0xAF000), "are not two halves of whole 4096-byte blocks"),
        (altered("romfs", subtype=0x81), "romfs: expected type 1, subtype 0x8f"),
        (altered("factory", size=0x100000), "factory: expected 0x1f0000 bytes or more"),
        (altered("nvs", size=0x3000), "nvs: expected 0x6000 bytes or more"),
    ],
)
def test_a_mistake_in_a_table_is_told(found: dict[str, Partition], told: str) -> None:
    assert any(told in problem for problem in partitions.wrong(found))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("factory,app,factory,0x11000,0x100000", "not aligned to 0x10000"),
        ("vfs,data,fat,0x9000,0x1000", "overlap"),
        ("vfs,data,fat,0x10000,0x500000", "does not fit in available flash size 4MB"),
        ("vfs,data,fat,0x10000,", "Size field can't be empty"),
    ],
)
def test_a_table_that_esp_idf_refuses_is_a_problem_of_the_board(
    line: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "4MiB.csv"
    file.write_text(f"nvs,data,nvs,0x9000,0x6000\n{line}\n")
    monkeypatch.setattr(partitions, "table_file", lambda _: file)
    found = partitions.problems(model.board("esp32-wroom"))
    assert len(found) == 1
    assert told in found[0]


def test_a_flash_without_a_table_is_told() -> None:
    small = dataclasses.replace(model.board("esp32-wroom"), flash_mib=2)
    assert partitions.problems(small) == ["expected a flash of 4, 8, 16 MiB, got 2; add its table"]

"""Partition tables: read and checked with Espressif's own rules, and ours on top.

A custom build has the table of its flash size. Stock MicroPython brings its own, and gives what
that leaves of the flash to the partition "vfs".
"""

# esp_idf_defs, which is ESP-IDF's gen_esp32part.py as a library, carries no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from esp_idf_defs import PartitionTable
from esp_idf_defs.partitions import PARTITION_TABLE_OFFSET, InputError

from hardware.model import FOLDER, Board, HardwareError

SIZES = (4, 8, 16)
"""MiB of flash for which there is a table."""

MIB = 1024 * 1024
BLOCK = 4096
_DATA = 1
_SUBTYPE_FAT, _SUBTYPE_ROMFS = 0x81, 0x8F
_STOCK = FOLDER / "partitions" / "stock.csv"
# As much as MicroPython's own table gives itself.
_LEAST_FACTORY = 0x1F0000
_LEAST_NVS = 0x6000


@dataclass(frozen=True)
class Partition:
    """A part of the flash, in bytes from its start."""

    name: str
    type: int
    subtype: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.offset + self.size


def table_file(flash_mib: int) -> Path:
    """The CSV file of a custom build's table. Raises HardwareError for a size without one."""
    if flash_mib not in SIZES:
        sizes = ", ".join(map(str, SIZES))
        raise HardwareError(f"expected a flash of {sizes} MiB, got {flash_mib}; add its table")
    return FOLDER / "partitions" / f"{flash_mib}MiB.csv"


def custom(flash_mib: int) -> dict[str, Partition]:
    """A custom build's partitions by name. Raises HardwareError."""
    return _partitions(_read(table_file(flash_mib)))


def stock(flash_mib: int) -> dict[str, Partition]:
    """Those of stock MicroPython on such a flash, "vfs" among them. Raises HardwareError."""
    found = _partitions(_read(_STOCK))
    end = max(partition.end for partition in found.values())
    if flash_mib * MIB <= end:
        raise HardwareError(f"flash of {flash_mib} MiB: stock MicroPython leaves no room for files")
    vfs = Partition("vfs", _DATA, _SUBTYPE_FAT, end, flash_mib * MIB - end)
    return {**found, "vfs": vfs}


def binary(flash_mib: int) -> bytes:
    """A custom build's table as it lies in flash at 0x8000, MD5 sum and all, 0xC00 bytes."""
    return _read(table_file(flash_mib)).to_binary()


def problems(board: Board) -> list[str]:
    """What is wrong with the tables of a board's flash, [] when nothing is."""
    try:
        table = _read(table_file(board.flash_mib))
        table.verify_size_fits(board.flash_mib * MIB)
        return [
            *(f"{board.flash_mib}MiB.csv: {told}" for told in wrong(_partitions(table))),
            *(f"stock.csv: {told}" for told in wrong(stock(board.flash_mib), romfs=False)),
        ]
    except (HardwareError, InputError) as error:
        return [str(error)]


def wrong(found: Mapping[str, Partition], *, romfs: bool = True) -> Iterator[str]:
    """What the firmware needs and a table does not give; romfs: whether it is to have that."""
    for name in ("nvs", "phy_init", "factory", "vfs", *(["romfs"] if romfs else [])):
        if name not in found:
            yield f"expected a partition {name}, there is none"
    for partition in found.values():
        if partition.size % BLOCK:
            yield f"{partition.name}: size {partition.size:#x} is no multiple of {BLOCK:#x}"
    kinds = {"vfs": (_DATA, _SUBTYPE_FAT), "romfs": (_DATA, _SUBTYPE_ROMFS)}
    for name, kind in kinds.items():
        partition = found.get(name)
        if partition and (partition.type, partition.subtype) != kind:
            yield f"{name}: expected type {kind[0]}, subtype {kind[1]:#x}, by which it is found"
    for name, least in (("factory", _LEAST_FACTORY), ("nvs", _LEAST_NVS)):
        partition = found.get(name)
        if partition and partition.size < least:
            yield f"{name}: expected {least:#x} bytes or more, got {partition.size:#x}"
    slots = found.get("romfs")
    if slots and slots.size % (2 * BLOCK):
        yield f"romfs: {slots.size:#x} bytes are not two halves of whole {BLOCK}-byte blocks"


def _read(path: Path) -> PartitionTable:
    try:
        table = PartitionTable.from_csv(path.read_text(encoding="utf-8"))
        table.verify(PARTITION_TABLE_OFFSET)
    except (InputError, OSError) as error:
        raise HardwareError(f"{path.name}: {error}") from error
    return table


def _partitions(table: PartitionTable) -> dict[str, Partition]:
    return {
        part.name: Partition(part.name, part.type, part.subtype, part.offset, part.size)
        for part in table
    }

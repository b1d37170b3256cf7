"""Where on a board's flash things lie; `layouts.py`, made from the boards' data, has them all."""

from dataclasses import dataclass
from typing import NamedTuple


class Region(NamedTuple):
    """A part of the flash: bytes from its start, and bytes."""

    offset: int
    size: int


@dataclass(frozen=True)
class Layout:
    """The flash of a board.

    Attributes:
        chip: as esptool calls it.
        flash: bytes.
        psram: whether it has PSRAM, without which the heap is small.
        bootloader: byte at which a whole firmware file is written.
        stock: the build of stock MicroPython that fits it, by its name on the download page.
        stock_vfs: the littlefs that stock MicroPython makes there.
        table: the file of a custom build's partition table, in hardware/partitions.
        vfs: its littlefs.
        romfs: its two slots.
    """

    chip: str
    flash: int
    psram: bool
    bootloader: int
    stock: str
    stock_vfs: Region
    table: str
    vfs: Region
    romfs: Region

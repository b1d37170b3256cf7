"""The flash chip of a node as a file, and where in its writes the power goes."""

from dataclasses import dataclass
from pathlib import Path

BLOCK_SIZE = 4096
FLASH_SIZE = 2 * 1024 * 1024
"""Bytes of the data partition of the reference board that the node may use."""


def make_flash(path: Path, content: bytes = b"", size: int = FLASH_SIZE) -> None:
    """Make a flash file that holds ``content`` and is erased after it.

    Raises:
        ValueError: ``size`` is not whole blocks, or ``content`` does not fit.
    """
    if size <= 0 or size % BLOCK_SIZE:
        raise ValueError(f"flash: expected whole blocks of {BLOCK_SIZE} bytes, got {size}")
    if len(content) > size:
        raise ValueError(f"flash: expected at most {size} bytes, got {len(content)}")
    path.write_bytes(content + b"\xff" * (size - len(content)))


@dataclass(frozen=True)
class PowerCut:
    """The chip dies at one of its writes (a block erase, a program, an NVS commit).

    Attributes:
        after: writes that are still done, counted from the start of the process.
        torn: the fatal write is half done, else not at all.
    """

    after: int
    torn: bool = False

    def environment(self) -> str:
        """The cut as LAMPLIGHTER_SIM_CUT tells it to the node."""
        return f"{self.after}:{'torn' if self.torn else 'clean'}"

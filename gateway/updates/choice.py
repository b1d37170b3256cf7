"""Which file brings a lamppost to a release: a delta when its base runs there, else the image."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gateway.errors import NodeRefused
from gateway.updates.trusted import Delta, NotTrusted, TrustedImage
from protocol import smp

# SMP's image group answers an upload so only where the delta's base does not run there, or the
# delta does not apply (firmware/node/update/refusal.py): the whole image is to be sent.
_NO_IMAGE = 3


@dataclass(frozen=True)
class Choice:
    """The file to upload.

    Attributes:
        sha256: of the file, hexadecimal; its name at the broker.
        size: bytes of the file.
        delta: the delta it is, None for the whole image.
    """

    sha256: str
    size: int
    delta: Delta | None = None


def choose(
    image: TrustedImage,
    board: str | None,
    running: str | None,
    refused: Collection[str] = (),
) -> Choice:
    """The smallest file that makes `image` of what a lamppost runs.

    Args:
        image: the release it is to run.
        board: the lamppost's board id; None while unknown.
        running: MCUboot's hash of what it runs, hexadecimal; None while unknown: then the image.
        refused: SHA-256 (hexadecimal) of the deltas this lamppost has refused already.

    Raises:
        NotTrusted: the release is for another board.
    """
    if board is not None and board != image.board:
        raise NotTrusted(
            f"release {image.version} is for board {image.board}, the lamppost's is {board}"
        )
    fit = [
        delta
        for delta in image.deltas
        if delta.base_hash == running and delta.size < image.size and delta.sha256 not in refused
    ]
    if not fit:
        return Choice(image.sha256, image.size)
    delta = min(fit, key=lambda delta: delta.size)
    return Choice(delta.sha256, delta.size, delta)


def asks_for_the_whole_image(error: NodeRefused) -> bool:
    """Whether a lamppost refused a delta as one that does not apply to what it runs."""
    return (error.group, error.code) == (smp.GROUP_IMAGE, _NO_IMAGE)

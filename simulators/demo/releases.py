"""The releases of the night, and how a deaf one is made."""

from pathlib import Path

from firmware.node import __path__ as node_sources
from simulators.factory import VERSION, Factory

FIRST_VERSION = VERSION
SECOND_VERSION = "2.0.0"
DEAF_VERSION = "3.0.0"

_RIGHT_RATE = "BUS_BAUD = 115200"
_WRONG_RATE = "BUS_BAUD = 57600"


class OverlayError(Exception):
    """The deaf release cannot be made from the sources as they are."""


def make_releases(folder: Path, factory_folder: Path) -> None:
    """Write the signed releases 2.0.0 and 3.0.0 to ``folder``; the factory makes 1.0.0 itself.

    3.0.0 is deaf: a faultless, signed release whose bus runs at a baud rate that nobody else uses.
    It starts, lights its lamp, logs its readings, and can never hear its gateway.

    Raises:
        OverlayError: the sources have no such baud rate to change.
        BuildError: a release cannot be built.
    """
    factory_folder.mkdir(parents=True, exist_ok=True)
    factory = Factory(factory_folder)
    overlay = _deaf_overlay(folder / "deaf")
    for version, counter, files in ((SECOND_VERSION, 2, None), (DEAF_VERSION, 3, overlay)):
        release_file(folder, version).write_bytes(factory.release(version, counter, files))


def release_file(folder: Path, version: str) -> Path:
    """Where a signed release is."""
    return folder / f"lamplighter-{version}.bin"


def _deaf_overlay(folder: Path) -> Path:
    source = (Path(node_sources[0]) / "board.py").read_text(encoding="utf-8")
    if source.count(_RIGHT_RATE) != 1:
        raise OverlayError(f"expected {_RIGHT_RATE!r} once in firmware/node/board.py")
    changed = folder / "node" / "board.py"
    changed.parent.mkdir(parents=True)
    changed.write_text(source.replace(_RIGHT_RATE, _WRONG_RATE), encoding="utf-8")
    return folder

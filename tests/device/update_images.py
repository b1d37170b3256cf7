"""Small images and factory flash for the update tests: an application that reports its start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware.build import (
    PrivateKey,
    Slots,
    base_image,
    generate_key,
    rom_partition,
    sign,
    with_identity,
)
from firmware.build.image import wrap
from firmware.build.payload import compiled, romfs
from simulators.tools import Interpreter

BOARD = "esp32s3-ref"
FLASH_SIZE = 96 * 4096
ROM_SIZE = 16 * 4096
SCRIPTS = Path(__file__).parent / "scripts" / "update"
ROOT = Path(__file__).resolve().parents[2]

APPLICATION = """
from . import version

def start(boot, observer):
    observer.application(version.TEXT, boot)
"""
# Bulk that does not deflate well, so that an upload is more than one write.
_TABLE = "TABLE = {!r}\n"


def payload(version: str, application: str = APPLICATION) -> bytes:
    table = bytes((index * 73 + index // 7 * 151) & 0xFF for index in range(5000))
    files = {
        "node/__init__.py": "",
        "node/app.py": application,
        "node/lamp/__init__.py": "",
        "node/lamp/table.py": _TABLE.format(table),
        "node/version.py": f"TEXT = {version!r}\n",
        "protocol/__init__.py": "",
    }
    return romfs(
        {
            name.replace(".py", ".mpy"): compiled(name, source.encode())
            for name, source in files.items()
        }
    )


@dataclass(frozen=True)
class Bench:
    """Files for a device script, in one folder."""

    folder: Path
    key: PrivateKey
    stranger: PrivateKey

    def image(self, name: str, version: str, counter: int, **more: str) -> bytes:
        """Sign an image with the bench's key and write it to the folder; returns its bytes."""
        unsigned = wrap(payload(version, **more), version, BOARD, counter)
        return self.write(name, sign(unsigned, self.key))

    def write(self, name: str, data: bytes) -> bytes:
        (self.folder / name).write_bytes(data)
        return data

    @property
    def path(self) -> list[Path]:
        """Where a device script imports from."""
        return [SCRIPTS / "shim", SCRIPTS, self.folder / "rom", ROOT]


def identity(key: PrivateKey) -> dict[str, Any]:
    return {
        "id": bytes.fromhex("a0b1c2d3e4f5"),
        "board": BOARD,
        "address": 7,
        "keys": {1: bytes(range(16))},
        "release_key": key.modulus,
    }


def run_script(
    micropython: Interpreter,
    bench: Bench,
    script: str,
    *args: str,
    heap: str = "16M",
    timeout: float = 120,
) -> list[str]:
    """What the device script told, line by line; what the firmware printed is left out."""
    said = micropython.run(
        SCRIPTS / script, str(bench.folder), *args, path=bench.path, heap=heap, timeout=timeout
    )
    return [line[2:] for line in said.splitlines() if line.startswith("> ")]


def make_bench(folder: Path) -> Bench:
    """A key, the images v1 and v2, and a flash with v1 in slot 0, which is a folder or a half."""
    bench = Bench(
        folder, generate_key(folder / "release.pem"), generate_key(folder / "stranger.pem")
    )
    (folder / "rom").mkdir()
    (folder / "rom" / "bootstage").symlink_to(ROOT / "firmware" / "bootstage")
    first = bench.image("v1.img", "1.0.0", counter=3)
    bench.image("v2.img", "2.0.0", counter=4)
    whose = identity(bench.key)
    bench.write("flash.bin", with_identity(base_image(first, FLASH_SIZE), whose).flash)
    elsewhere = base_image(first, FLASH_SIZE, Slots.ROMFS)
    bench.write("halves.bin", with_identity(elsewhere, whose).flash)
    bench.write("romfs.bin", rom_partition(first, ROM_SIZE))
    return bench

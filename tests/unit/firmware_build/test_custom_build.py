"""What MicroPython's own build is given for a custom firmware: complete, and of what exists.

The manifests are run here with the names that MicroPython's makemanifest.py gives them; it has been
run on them as well, but is not part of any distribution.
"""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from firmware.build.layouts import LAYOUTS

ROOT = Path(__file__).resolve().parents[3]
CUSTOM = ROOT / "firmware" / "custom"
# Built into the interpreter, or of its own that the manifest takes along.
BUILTIN = {"binascii", "esp32", "hashlib", "io", "json", "os", "struct", "sys", "time", "vfs"}


class Manifest:
    """Runs manifests, and keeps what they freeze by the name it is imported under."""

    def __init__(self) -> None:
        self.frozen: dict[str, Path] = {}
        self.port: list[str] = []
        self.others: list[str] = []

    def run(self, file: Path) -> None:
        where = file.parent

        def module(name: str, base_path: str = ".", opt: int | None = None) -> None:
            self._add(name, where / base_path / name)

        def package(name: str, base_path: str = ".", opt: int | None = None) -> None:
            for path in sorted((where / base_path / name).rglob("*.py")):
                self._add(path.relative_to(where / base_path).as_posix(), path)

        def freeze(path: str, script: tuple[str, ...]) -> None:
            self.port += [f"{path}/{name}" for name in script]

        def include(path: str) -> None:
            if path.startswith("$"):
                self.others.append(path)
            else:
                self.run((where / path).resolve())

        names: dict[str, Any] = {
            "module": module, "package": package, "freeze": freeze, "include": include,
            "require": self.others.append,
        }  # fmt: skip
        exec(compile(file.read_text(), str(file), "exec"), names)  # noqa: S102

    def _add(self, name: str, path: Path) -> None:
        assert path.is_file(), path
        assert name not in self.frozen, f"{name} is frozen twice"
        self.frozen[name] = path


@pytest.fixture(params=LAYOUTS)
def board(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_boot_stage_takes_the_place_of_micropythons_own_start(board: str) -> None:
    manifest = Manifest()
    manifest.run(CUSTOM / board / "manifest.py")
    assert manifest.frozen["_boot.py"] == ROOT / "firmware" / "entry" / "_boot.py"
    assert manifest.port == ["$(PORT_DIR)/modules/machine.py"], "nothing that mounts or formats"
    assert manifest.others == ["$(MPY_DIR)/extmod/asyncio", "umqtt.simple"]
    stage = {path.name for path in (ROOT / "firmware" / "bootstage").glob("*.py")}
    assert {f"bootstage/{name}" for name in stage} < set(manifest.frozen)
    assert not any(name.startswith(("node", "protocol")) for name in manifest.frozen)


def test_what_is_frozen_imports_only_what_is_frozen_or_built_in(board: str) -> None:
    manifest = Manifest()
    manifest.run(CUSTOM / board / "manifest.py")
    known = {name.removesuffix(".py") for name in manifest.frozen} | BUILTIN
    known |= {"bootstage", "machine", "asyncio", "umqtt.simple"}
    wanted: set[str] = set()
    for name, path in manifest.frozen.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level:
                inside = f"{name.split('/')[0]}/"
                module = [node.module] if node.module else [alias.name for alias in node.names]
                wanted |= {inside + part for part in module}
            elif isinstance(node, ast.ImportFrom):
                wanted.add(str(node.module))
    # The application, which is in the partition romfs.
    assert wanted - known == {"node.app"}


def test_micropythons_build_is_told_the_boards_own_table_and_flash(board: str) -> None:
    text = (CUSTOM / board / "mpconfigboard.cmake").read_text()
    layout = LAYOUTS[board]
    named = re.search(r"\$\{MICROPY_BOARD_DIR\}(/\S+\.csv) ABSOLUTE", text)
    assert named
    table = Path(f"{CUSTOM / board}{named[1]}").resolve()
    assert table == ROOT / "hardware" / "partitions" / layout.table
    assert table.is_file()
    assert f"CONFIG_ESPTOOLPY_FLASHSIZE_{layout.flash >> 20}MB=y" in text
    assert f"include(boards/mpconfigboard_{layout.chip}_common.cmake)" in text
    header = (CUSTOM / board / "mpconfigboard.h").read_text()
    assert "#define MICROPY_VFS_ROM (1)" in header

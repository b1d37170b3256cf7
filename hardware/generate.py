"""Everything that is made from the boards' data, by its path in the project."""

from pathlib import Path

from hardware import document, flash, pins, wiring
from hardware.model import Part, board, board_ids

REFERENCE = "esp32s3-ref"
"""The board whose pins the node's sources carry; a release for another brings its own."""


def files(parts: dict[str, Part]) -> dict[str, str]:
    """Contents by path from the project's folder. Raises HardwareError."""
    found: dict[str, str] = {}
    for name in board_ids():
        made = board(name)
        module = pins.pins_module(made, parts)
        found[f"firmware/boards/{name}.py"] = module
        if name == REFERENCE:
            found["firmware/node/pins.py"] = module
        found[f"hardware/generated/{name}.md"] = document.page(made, parts)
        harness = wiring.harness(made, [parts[part] for part in made.fitted])
        found[f"hardware/generated/{name}.wiring.yml"] = harness
        for file, text in flash.build_files(made).items():
            found[f"firmware/custom/{name}/{file}"] = text
    found["firmware/build/layouts.py"] = flash.layouts([board(name) for name in board_ids()])
    return found


def stale(root: Path, parts: dict[str, Part]) -> list[str]:
    """Paths whose file under ``root`` is not what the data makes."""
    return [path for path, text in files(parts).items() if _read(root / path) != text]


def write(root: Path, parts: dict[str, Part]) -> list[str]:
    """Write what is stale under ``root``; returns the paths."""
    made = files(parts)
    changed = stale(root, parts)
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(made[path], encoding="utf-8")
    return changed


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""

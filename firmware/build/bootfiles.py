"""What lies on the littlefs of stock MicroPython beside the slots: boot stage, and what starts it.

In a custom build the same is frozen, see ``firmware/manifest.py``. No update rewrites it.
"""

from pathlib import Path

from firmware.build import payload
from firmware.build.errors import BuildError
from firmware.build.shrink import shrunk

_FIRMWARE = Path(__file__).resolve().parents[1]
_ENTRY = _FIRMWARE / "entry"
_BOOT_STAGE = _FIRMWARE / "bootstage"
_CUSTOM = _FIRMWARE / "custom"
_STARTED = ("boot.py", "main.py")
"""Stock MicroPython runs these by name, and only as source."""
_NEVER_USED = ("halves.py",)
"""Slots that stock MicroPython cannot run from."""


def stock_files(board: str) -> dict[str, bytes]:
    """Contents by path from the root of the littlefs.

    Raises:
        BuildError: a board that is not known, or sources that do not compile.
    """
    pins = _CUSTOM / board / "lamp_pins.py"
    if not pins.is_file():
        known = ", ".join(sorted(path.name for path in _CUSTOM.iterdir()))
        raise BuildError(f"expected a board of {known}, got {board!r}")
    sources = {
        f"bootstage/{path.name}": path.read_bytes()
        for path in sorted(_BOOT_STAGE.glob("*.py"))
        if path.name not in _NEVER_USED
    }
    sources |= {
        "startup.py": (_ENTRY / "startup.py").read_bytes(),
        "lamp_pins.py": pins.read_bytes(),
    }
    found = {
        "/" + name.removesuffix(".py") + ".mpy": payload.compiled(name, source)
        for name, source in shrunk(sources, (), closed=False).items()
    }
    return found | {f"/{name}": (_ENTRY / name).read_bytes() for name in _STARTED}

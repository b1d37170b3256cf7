"""What is burnt into each simulated chip: the stand-ins of node_side, the boot stage, umqtt."""

from collections.abc import Mapping
from pathlib import Path

from firmware import bootstage
from firmware.build import payload
from firmware.build.shrink import shrunk
from simulators.tools import umqtt

_NODE_SIDE = Path(__file__).parent / "node_side"


def burn(
    path: Path, overlay: Mapping[str, bytes] | None = None, *, boot_stage: bool = True
) -> None:
    """Write the ROMFS image from today's sources: whole or not at all.

    Args:
        path: where the image goes; a chip that has the one before mapped keeps that.
        overlay: sources by name, in place of ours.
        boot_stage: whether it is in there, as in a custom build; in stock MicroPython it is not.

    Raises:
        BuildError: the sources do not compile.
    """
    folders = {
        "": _NODE_SIDE,
        "bootstage/": Path(bootstage.__path__[0]),
        # Frozen in the ESP32's firmware; where it was not fetched, there is no local network.
        "umqtt/": umqtt.folder() / "umqtt",
    }
    if not boot_stage:
        del folders["bootstage/"]
    sources = {
        prefix + source.relative_to(folder).as_posix(): source.read_bytes()
        for prefix, folder in folders.items()
        for source in sorted(folder.rglob("*.py"))
    }
    sources.update(overlay or {})
    burnt = payload.packed(
        {
            name.removesuffix(".py") + ".mpy": payload.compiled(name, source)
            for name, source in shrunk(sources, (), closed=False).items()
        }
    )
    made = path.with_suffix(".new")
    made.write_bytes(burnt)
    made.replace(path)

"""A board's harness for WireViz: the module, a connector for each part, a cable between them."""

from hardware.model import Board, Part

_COLOURS = ("RD", "BK", "YE", "GN", "BU", "WH", "OG")


def harness(board: Board, parts: list[Part]) -> str:
    """The WireViz YAML of a board with ``parts`` connected."""
    pins = {name for part in parts for name in part.pins}
    labels = ["5V", "3V3", "GND", *(name for name in board.pins if name in pins)]
    lines = [
        f"# Made by `python -m hardware generate` from hardware/boards/{board.id}.toml.",
        "connectors:",
        "  NODE:",
        f"    type: {board.module}",
        f"    subtype: {board.id}",
        f"    pinlabels: [{', '.join(_label(board, name) for name in labels)}]",
    ]
    cables = ["cables:"]
    links = ["connections:"]
    for part in parts:
        names = [_supply(part), "GND", *part.pins]
        key = part.id.upper()
        lines += [f"  {key}:", f"    type: {_quoted(part.name)}", f"    subtype: {part.does}"]
        lines.append(f"    pinlabels: [{', '.join(_at_part(name) for name in names)}]")
        cables += [f"  W_{key}:", f"    wirecount: {len(names)}"]
        cables.append(f"    colors: [{', '.join(_COLOURS[: len(names)])}]")
        numbers = ", ".join(str(labels.index(name) + 1) for name in names)
        links += [
            f"  - - NODE: [{numbers}]",
            f"    - W_{key}: [1-{len(names)}]",
            f"    - {key}: [1-{len(names)}]",
        ]
    return "\n".join([*lines, *cables, *links, ""])


def _supply(part: Part) -> str:
    # A part at mains potential has only the near side of its isolator here.
    return "3V3" if part.rail == "mains side" else part.rail


def _label(board: Board, name: str) -> str:
    pin = board.pins.get(name)
    return _quoted(f"{name} GPIO{pin.gpio}") if pin else name


def _at_part(name: str) -> str:
    """TX of the node is RX of the part."""
    if name.endswith("_TX"):
        return name.removesuffix("_TX") + "_RX"
    if name.endswith("_RX"):
        return name.removesuffix("_RX") + "_TX"
    return name


def _quoted(text: str) -> str:
    return f'"{text}"'

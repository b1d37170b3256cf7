"""A board's page: block diagram, pin table, parts, power budget and bill of materials."""

from collections.abc import Iterable, Sequence

from hardware import bom, power
from hardware.model import Board, Part

_HEAD = """# {title}

`{id}`: {module}, {flash} MiB flash, {psram}. Made by `python -m hardware generate` from
`hardware/boards/{id}.toml`; edit that. Nothing on this page has been measured on a board.
"""


def page(board: Board, parts: dict[str, Part]) -> str:
    """The Markdown of the page."""
    fitted = [parts[name] for name in board.fitted]
    options = [parts[name] for name in board.options]
    psram = f"{board.psram_mib} MiB PSRAM" if board.psram_mib else "no PSRAM"
    sections = [
        _HEAD.format(
            title=board.title, id=board.id, module=board.module, flash=board.flash_mib, psram=psram
        ),
        "## Block diagram\n\n```mermaid\n" + _diagram(board, fitted) + "```\n",
        "## Pins\n\n" + _pins(board, [*fitted, *options]),
        "## Parts fitted\n\n" + _parts(fitted),
        "## Parts it has pins for\n\n" + _parts(options),
        "## Power\n\n" + _power(board, parts),
        "## Bill of materials\n\n" + _bill(fitted),
    ]
    return "\n".join(sections)


def _diagram(board: Board, fitted: Iterable[Part]) -> str:
    lines = ["graph LR", "  mains[mains] --> spd[surge protection]", "  spd --> relay"]
    lines += ["  relay[relay, normally closed] --> driver[LED driver] --> lamp[lamp]"]
    for rail in board.rails.values():
        source = rail.source if rail.source in board.rails else "spd"
        lines.append(f"  {source} --> {rail.name}[{rail.volts:g} V]")
    lines.append(f"  3V3 --> node[{board.module}]")
    for part in fitted:
        if part.field == "parts/output":
            lines.append("  node -- dimming, relay --> driver")
            continue
        barrier = " (isolated)" if part.isolated else ""
        lines.append(f"  node -- {part.link}{barrier} --- {part.id}[{part.name}]")
    lines.append("  rs485 --- cabinet[street cabinet]")
    return "\n".join([*lines, ""])


def _pins(board: Board, parts: Sequence[Part]) -> str:
    rows: list[Sequence[object]] = []
    for pin in sorted(board.pins.values(), key=lambda pin: pin.gpio):
        users = ", ".join(part.id for part in parts if pin.name in part.pins)
        rows.append((pin.gpio, f"`{pin.name}`", pin.direction, pin.use, pin.safe_state, users))
    return table(("GPIO", "name", "direction", "use", "undriven", "parts"), rows)


def _parts(parts: Iterable[Part]) -> str:
    rows: list[Sequence[object]] = []
    for part in parts:
        link = f"{part.link} {part.address:#04x}" if part.address else part.link
        link = f"{part.link} {part.baud} baud" if part.baud else link
        chosen = f"`{part.field}` {part.code}" if part.field else ""
        currents = f"{part.idle_ma:g} / {part.active_ma:g} / {part.peak_ma:g}"
        rows.append((part.name, part.does, link, chosen, part.rail, currents, part.note))
    head = ("part", "does", "link", "configuration", "rail", "mA idle / at work / peak", "note")
    return table(head, rows)


def _power(board: Board, parts: dict[str, Part]) -> str:
    rows = [
        (state.name, f"{state.milliamps:.0f}", f"{state.watts:.2f}")
        for state in power.budget(board, parts)
    ]
    limit = board.rails["5V"].limit_ma
    return (
        table(("state, parts fitted", "mA at 5 V", "W from the mains"), rows)
        + f"\nData sheet currents, AC/DC at {power.MAINS_EFFICIENCY:.0%}; the 5 V supply gives "
        f"{limit:.0f} mA. The lamp and its driver are not in it. The relay's coil draws while the "
        "lamp is off: that is the price of a lamp that burns when the node is dead.\n"
    )


def _bill(parts: Iterable[Part]) -> str:
    rows: list[Sequence[object]] = []
    bill = bom.items(parts)
    for item in bill:
        price = "not asked" if item.price_eur is None else f"{item.price_eur:.2f}"
        rows.append((item.quantity, item.name, item.maker, price, item.price_date))
    known, unknown = bom.total(bill)
    return (
        table(("quantity", "item", "maker", "EUR each", "price of"), rows)
        + f"\nIn all {known:.2f} EUR, but for {unknown} lines that nobody has been asked about.\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join([*lines, ""])

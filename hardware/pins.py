"""The node's pins module: what firmware/node/board.py drives on one board."""

from hardware.model import Board, Part, board, board_ids

UART_ROLES = ("METER", "BUS", "PMS", "RADAR")


def pin_names() -> list[str]:
    """Every pin name of any board, in the order the boards have them."""
    names: dict[str, None] = {}
    for board_id in board_ids():
        names |= dict.fromkeys(board(board_id).pins)
    return list(names)


def pins_module(made: Board, parts: dict[str, Part]) -> str:
    """The source of ``node/pins.py`` for a board: pins None where not wired."""
    lines = [
        f'"""Pins, UARTs and fitted parts of the board "{made.id}": {made.title}.',
        "",
        f"Made by `python -m hardware generate` from hardware/boards/{made.id}.toml; edit that.",
        '"""',
        "",
        f'BOARD = "{made.id}"',
        "",
    ]
    wired = sorted(made.pins.values(), key=lambda pin: pin.gpio)
    for pin in wired:
        if pin.safe_state:
            lines.append(f"# While nothing drives it: {pin.safe_state}.")
        lines.append(f"{pin.name} = {pin.gpio}  # {pin.use}")
    missing = sorted(set(pin_names()) - set(made.pins))
    if missing:
        lines += ["", "# Not wired on this board."]
        lines += [f"{name} = None" for name in missing]
    lines += ["", "# Numbers of the UARTs, None where there is none for it."]
    lines += [f"{role}_UART = {made.uart.get(role)}" for role in UART_ROLES]
    lines += [
        "",
        "# Parts fitted, by the codes of the configuration's parts/ fields; the others are none.",
        f"PARTS = {{{_fitted(made, parts)}}}",
        "",
    ]
    return "\n".join(lines)


def _fitted(made: Board, parts: dict[str, Part]) -> str:
    chosen = [parts[name] for name in made.fitted if parts[name].field]
    pairs = sorted((part.field.removeprefix("parts/"), part.code) for part in chosen)
    return ", ".join(f'"{name}": {code}' for name, code in pairs)

"""The node's board module drives only what boards are wired for."""

import ast
from pathlib import Path

from hardware import model
from hardware.pins import UART_ROLES, pin_names

ROOT = Path(__file__).resolve().parents[3]


def test_the_node_drives_the_pins_that_are_wired() -> None:
    tree = ast.parse((ROOT / "firmware" / "node" / "board.py").read_text())
    driven = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "pins"
    } - {"BOARD", "PARTS"}
    uarts = {f"{role}_UART" for role in UART_ROLES}
    assert driven <= set(pin_names()) | uarts
    assert driven >= set(pin_names()) - {"STATUS_LED"} | uarts


def test_no_number_of_a_pin_stands_in_the_nodes_sources() -> None:
    reference = model.board("esp32s3-ref")
    for path in (ROOT / "firmware" / "node").rglob("*.py"):
        if path.name == "pins.py":
            continue
        assert "machine.Pin(" not in path.read_text() or path.name == "board.py", path
    assert reference.id in (ROOT / "firmware" / "node" / "pins.py").read_text()

"""The board's pins as data are the pins that the node drives, and none is one the module keeps."""

import ast
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BOARD = tomllib.loads((REPOSITORY / "hardware" / "boards" / "esp32s3-ref.toml").read_text())


def driven() -> dict[str, object]:
    """The constants of the node's board module, which CPython cannot import."""
    tree = ast.parse((REPOSITORY / "firmware" / "node" / "board.py").read_text())
    found: dict[str, object] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = statement.value.value
    return found


def test_the_node_drives_the_pins_that_are_wired() -> None:
    constants = driven()
    assert constants["BOARD"] == BOARD["id"]
    wired = {pin["name"]: pin["gpio"] for pin in BOARD["pin"]}
    assert {name: constants.get(name) for name in wired} == wired


def test_every_pin_the_node_names_is_wired() -> None:
    pins = {
        name
        for name in driven()
        if name.startswith(("LAMP_", "SERVICE_", "I2C_S")) or name.endswith(("_TX", "_RX"))
    }
    assert pins == {pin["name"] for pin in BOARD["pin"]}


def test_no_pin_is_used_twice_or_is_the_modules_own() -> None:
    used = [pin["gpio"] for pin in BOARD["pin"]]
    assert len(used) == len(set(used))
    reserved = {gpio for group in BOARD["reserved"].values() for gpio in group}
    assert not reserved & set(used)

"""A board as a netlist: components with typed pins, and the nets between them.

For an electrical rule check, and for wiring a first board by hand. One set of parts at a time:
those fitted, or any other that the configuration can choose.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from hardware.model import Board, Part

OUTPUT, INPUT, BOTH, PASSIVE, POWER_IN, POWER_OUT = (
    "output", "input", "both", "passive", "power in", "power out",
)  # fmt: skip

_OPPOSITE = {"out": INPUT, "in": OUTPUT, "both": BOTH, "analog": OUTPUT}
_OWN = {"out": OUTPUT, "in": INPUT, "both": BOTH, "analog": INPUT}
_MAINS = "mains side"


class Node(NamedTuple):
    """One pin of one component.

    Attributes:
        component: its name on the board.
        pin: the pin's name there.
        kind: OUTPUT, INPUT, BOTH, PASSIVE, POWER_IN or POWER_OUT.
    """

    component: str
    pin: str
    kind: str


def nets(board: Board, parts: Iterable[Part]) -> dict[str, list[Node]]:
    """The nodes of each net by its name, of a board with ``parts`` fitted."""
    found: dict[str, list[Node]] = defaultdict(list)
    _supplies(board, found)
    found["3V3"].append(Node("module", "3V3", POWER_IN))
    found["GND"].append(Node("module", "GND", POWER_IN))
    used: set[str] = set()
    for part in parts:
        for name in part.pins:
            pin = board.pins[name]
            if name not in used:
                used.add(name)
                found[name].append(Node("module", f"GPIO{pin.gpio}", _OWN[pin.direction]))
            found[name].append(Node(part.id, name, _OPPOSITE[pin.direction]))
        mains = part.rail == _MAINS
        found["METER_5V" if mains else part.rail].append(Node(part.id, "VCC", POWER_IN))
        found["METER_GND" if mains else "GND"].append(Node(part.id, "GND", POWER_IN))
        if mains:
            # The other half of its isolator lives on our side.
            found["3V3"].append(Node(part.id, "VCC_LOGIC", POWER_IN))
            found["GND"].append(Node(part.id, "GND_LOGIC", POWER_IN))
    _pulls(used, found)
    return dict(found)


def _supplies(board: Board, found: dict[str, list[Node]]) -> None:
    for rail in board.rails.values():
        component = f"supply {rail.name}"
        found[rail.name].append(Node(component, "OUT", POWER_OUT))
        kind = POWER_OUT if rail.source not in board.rails else POWER_IN
        found["GND"].append(Node(component, "GND", kind))
        if rail.source in board.rails:
            found[rail.source].append(Node(component, "IN", POWER_IN))
    found["METER_5V"].append(Node("meter supply", "OUT", POWER_OUT))
    found["METER_GND"].append(Node("meter supply", "GND", POWER_OUT))


def _pulls(used: set[str], found: dict[str, list[Node]]) -> None:
    """Resistors that give a wire its state while nothing drives it."""
    up = {"I2C_SDA", "I2C_SCL", "LAMP_DIMMING", "LAMP_RELAY", "SERVICE_SWITCH"} & used
    for name in sorted(up):
        found["3V3"].append(Node(f"pull-up {name}", "1", PASSIVE))
        found[name].append(Node(f"pull-up {name}", "2", PASSIVE))
    for name in sorted({"DALI_TX", "PIR_A", "PIR_B"} & used):
        found["GND"].append(Node(f"pull-down {name}", "1", PASSIVE))
        found[name].append(Node(f"pull-down {name}", "2", PASSIVE))

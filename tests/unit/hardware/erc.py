"""Electrical rule check of one board and set of parts by SKiDL; run in a process of its own.

``python -m tests.unit.hardware.erc BOARD [PART ...]`` prints "errors N warnings N". SKiDL keeps its
circuit and its log files to itself and the folder it runs in, hence the process.
"""

import importlib
import sys
from typing import Any

from hardware import model, netlist

# SKiDL carries no types.
skidl: Any = importlib.import_module("skidl")
erc_logger: Any = importlib.import_module("skidl.logger").erc_logger


def check(board_id: str, names: list[str]) -> tuple[int, int]:
    """(errors, warnings) of a board with the parts ``names``."""
    kinds = {
        netlist.OUTPUT: skidl.Pin.types.OUTPUT,
        netlist.INPUT: skidl.Pin.types.INPUT,
        netlist.BOTH: skidl.Pin.types.BIDIR,
        netlist.PASSIVE: skidl.Pin.types.PASSIVE,
        netlist.POWER_IN: skidl.Pin.types.PWRIN,
        netlist.POWER_OUT: skidl.Pin.types.PWROUT,
    }
    skidl.set_default_tool(skidl.SKIDL)
    circuit = skidl.Circuit()
    parts = model.parts()
    nets = netlist.nets(model.board(board_id), [parts[name] for name in names])
    pins: dict[str, dict[str, str]] = {}
    for nodes in nets.values():
        for node in nodes:
            pins.setdefault(node.component, {})[node.pin] = node.kind
    made = {
        component: skidl.Part(
            name=component,
            ref_prefix="U",
            tool=skidl.SKIDL,
            dest=skidl.TEMPLATE,
            pins=[
                skidl.Pin(num=number + 1, name=pin, func=kinds[kind])
                for number, (pin, kind) in enumerate(found.items())
            ],
        )(circuit=circuit)
        for component, found in pins.items()
    }
    for name, nodes in nets.items():
        net = skidl.Net(name, circuit=circuit)
        for node in nodes:
            net += made[node.component][node.pin]
    circuit.ERC()
    return erc_logger.error.count, erc_logger.warning.count


if __name__ == "__main__":
    found = check(sys.argv[1], sys.argv[2:])
    print(f"errors {found[0]} warnings {found[1]}")

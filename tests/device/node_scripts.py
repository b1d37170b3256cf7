"""Running the scripts of tests/device/scripts/node, which find the node's packages and fakes."""

from pathlib import Path

from simulators.tools import Interpreter

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "scripts" / "node"


def run(
    micropython: Interpreter, script: str, *args: str, heap: str = "8M", timeout: float = 240
) -> list[str]:
    """The lines that `script` printed.

    The heap is large because the flash under test is part of it, in memory.
    """
    output = micropython.run(
        SCRIPTS / script,
        *args,
        path=[SCRIPTS, REPOSITORY / "firmware", REPOSITORY],
        heap=heap,
        timeout=timeout,
    )
    return output.splitlines()

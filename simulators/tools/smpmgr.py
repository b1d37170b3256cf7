"""``python -m simulators.tools.smpmgr``: smpmgr, the SMP client people already have.

It pins an older typer than ours, so it lives in a virtual environment of its own in the cache
folder, made once. Set LAMPLIGHTER_SMPMGR to use another.
"""

import os
import sys

from simulators.tools.environments import environment
from simulators.tools.errors import ToolError

REQUIREMENT = "smpmgr>=0.19,<0.20"

_VARIABLE = "LAMPLIGHTER_SMPMGR"


def smpmgr() -> list[str]:
    """The words that start smpmgr; it is installed when it is nowhere yet.

    Raises:
        ToolError: it cannot be installed.
    """
    named = os.environ.get(_VARIABLE)
    if named:
        return [named]
    try:
        python = environment("smpmgr", REQUIREMENT)
    except ToolError as error:
        raise ToolError(f"{error}, or name smpmgr in {_VARIABLE}") from error
    return [str(python), "-m", "smpmgr"]


def main() -> int:
    """Install smpmgr where absent and say where it is; 0 done, 1 it cannot be installed."""
    try:
        print(" ".join(smpmgr()))
    except ToolError as error:
        print(f"simulators.tools.smpmgr: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

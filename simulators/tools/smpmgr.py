"""``python -m simulators.tools.smpmgr``: smpmgr, the SMP client people already have.

It pins an older typer than ours, so it lives in a virtual environment of its own in the cache
folder, made once. Set LAMPLIGHTER_SMPMGR to use another.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

from simulators.tools.cache import cache_folder, locked, whole_or_nothing
from simulators.tools.errors import ToolError

REQUIREMENT = "smpmgr>=0.19,<0.20"

_VARIABLE = "LAMPLIGHTER_SMPMGR"
_INSTALL_SECONDS = 600


def smpmgr() -> list[str]:
    """The words that start smpmgr; it is installed when it is nowhere yet.

    Raises:
        ToolError: it cannot be installed.
    """
    named = os.environ.get(_VARIABLE)
    if named:
        return [named]
    target = cache_folder() / "smpmgr-venv"
    if not _python(target).exists():
        with locked(target.parent):
            if not _python(target).exists():
                with whole_or_nothing(target) as draft:
                    _install(draft)
    # Not bin/smpmgr: that script names the folder in which the environment was made.
    return [str(_python(target)), "-m", "smpmgr"]


def _python(environment: Path) -> Path:
    return environment / "bin" / "python"


def _install(environment: Path) -> None:
    try:
        venv.create(environment, with_pip=True)
        subprocess.run(
            [str(_python(environment)), "-m", "pip", "install", "--quiet", REQUIREMENT],
            check=True,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise ToolError(
            f"expected pip to install {REQUIREMENT}, got: {' '.join(str(said).split())[-300:]}; "
            f"see to the network and run it again, or name smpmgr in {_VARIABLE}"
        ) from error


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

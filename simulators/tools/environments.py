"""Other people's Python programs, each in a virtual environment of its own in the cache folder.

They pin what we have in other versions. Made once, whole or not at all.
"""

import subprocess
import venv
from pathlib import Path

from simulators.tools.cache import cache_folder, locked, whole_or_nothing
from simulators.tools.errors import ToolError

_INSTALL_SECONDS = 600


def environment(name: str, requirement: str) -> Path:
    """The Python interpreter of the environment ``name``, which has ``requirement`` installed.

    ``requirement`` may name several packages, with spaces between.

    Raises:
        ToolError: it cannot be installed.
    """
    target = cache_folder() / f"{name}-venv"
    note = target / "requirement"
    if not _has(note, requirement):
        with locked(target.parent):
            if not _has(note, requirement):
                with whole_or_nothing(target) as draft:
                    _install(draft, requirement)
                    (draft / note.name).write_text(requirement, encoding="utf-8")
    # Not the scripts in bin: they name the folder in which the environment was made.
    return _python(target)


def _has(note: Path, requirement: str) -> bool:
    return note.exists() and note.read_text(encoding="utf-8") == requirement


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _install(folder: Path, requirement: str) -> None:
    try:
        venv.create(folder, with_pip=True)
        subprocess.run(
            [str(_python(folder)), "-m", "pip", "install", "--quiet", *requirement.split()],
            check=True,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise ToolError(
            f"expected pip to install {requirement}, got: {' '.join(str(said).split())[-300:]}; "
            "see to the network and run it again"
        ) from error

"""The folder where fetched programs are kept, and how one is put there: whole or not at all."""

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

from simulators.tools.errors import ToolError


def cache_folder() -> Path:
    """Where programs are kept: ``$LAMPLIGHTER_CACHE``, else ``lamplighter`` in the user's cache."""
    named = os.environ.get("LAMPLIGHTER_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    # The XDG specification says that a relative XDG_CACHE_HOME is to be ignored.
    shared = Path(os.environ.get("XDG_CACHE_HOME") or "")
    return (shared if shared.is_absolute() else Path.home() / ".cache") / "lamplighter"


@contextlib.contextmanager
def locked(folder: Path) -> Generator[None]:
    """Hold ``folder`` against other processes; made when absent, released when the process ends.

    Raises:
        ToolError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise ToolError(
            f"expected a folder for fetched programs that can be written, got {error}; "
            "name another in LAMPLIGHTER_CACHE"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that is filling {folder}", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def whole_or_nothing(target: Path) -> Generator[Path]:
    """Yield an empty folder that becomes ``target`` at the end, or is removed when the body raises.

    To be used under :func:`locked` of the parent folder; ``target`` is replaced when it is there.
    """
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield draft
        draft.chmod(0o755)  # mkdtemp makes it private; the programs in it are nobody's secret
        if target.exists():
            shutil.rmtree(target)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)

"""Keeping out of memory what a library takes along only because it happens to be installed."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def absent(*names: str) -> Generator[None]:
    """While the body imports, the packages `names` count as not installed.

    For optional dependencies of what is imported; it must do without, and says how. A package that
    has been imported before stays as it is.
    """
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in names if name not in modules]
    # The import system's own way to say that a module cannot be imported.
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            if modules.get(name) is None:
                modules.pop(name, None)

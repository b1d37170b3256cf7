"""What program this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def program_version() -> str:
    """The version of this program."""
    try:
        return version("lamplighter")
    except PackageNotFoundError:
        return "0"

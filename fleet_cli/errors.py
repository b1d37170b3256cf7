"""What can go wrong that the person at the desk can mend, and the exit code each of them has.

Everything else that is raised is a bug, and is left to end in a traceback.
"""

from typing import Final

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_TIMED_OUT: Final = 4
EXIT_INTERRUPTED: Final = 130

EXIT_CODES: Final[dict[int, str]] = {
    EXIT_OK: "done, and every lamppost asked succeeded",
    EXIT_FAILED: "failed, or not every lamppost succeeded",
    EXIT_USAGE: "wrong usage or bad input",
    EXIT_UNREACHABLE: "the broker or the store cannot be reached",
    EXIT_TIMED_OUT: "timed out while waiting",
    EXIT_INTERRUPTED: "interrupted by Ctrl-C; what was sent stays sent",
}
"""The exit codes of every command, as `lamplighter --help` lists them."""


class FleetError(Exception):
    """A failure told in one line: what was expected, what came, what to do next."""

    exit_code: int = EXIT_FAILED


class Failed(FleetError):
    """What was asked did not succeed, or not on every lamppost."""


class BadInput(FleetError):
    """Something given by the user cannot be used."""

    exit_code = EXIT_USAGE


class Unreachable(FleetError):
    """The broker or the store cannot be reached."""

    exit_code = EXIT_UNREACHABLE


class TimedOut(FleetError):
    """What was waited for had not come in the time given."""

    exit_code = EXIT_TIMED_OUT


def reason_of(error: OSError | UnicodeDecodeError) -> str:
    """Why a file could not be used, without its path: who tells of it has named it already."""
    if isinstance(error, UnicodeDecodeError):
        return f"expected text in UTF-8, got byte 0x{error.object[error.start]:02x}"
    return error.strerror or type(error).__name__

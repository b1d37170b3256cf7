"""What commands print: tables for people, JSON for programs, progress on stderr.

Text that came over the network is only ever put into `Text`, never into rich's markup.
"""

import json
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

STYLES = {
    "up": "green",
    "online": "green",
    "applied": "green",
    "succeeded": "green",
    "finished": "green",
    "silent": "red",
    "offline": "red",
    "refused": "red",
    "failed": "red",
    "stopped": "red",
    "reverted": "red",
    "unknown": "yellow",
    "pending": "yellow",
    "queued": "yellow",
    "withdrawn": "yellow",
    "updating": "cyan",
    "asked": "cyan",
    "running": "cyan",
}
"""Colour of a state; each is told by its word as well."""


def console() -> Console:
    """For results, on stdout. 80 columns wide where there is no terminal to ask."""
    return Console(highlight=False)


def error_console() -> Console:
    """For everything that is not the result: progress, warnings, questions."""
    return Console(stderr=True, highlight=False)


def note(text: str) -> None:
    """A line on stderr that is worth knowing and no error."""
    print(f"lamplighter: {text}", file=sys.stderr)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, indent=2))


def print_json_line(value: Any) -> None:
    """One line of JSON on stdout, at once: whoever reads it may be waiting."""
    print(json.dumps(value, separators=(",", ":")), flush=True)


def state_text(state: str, suffix: str = "") -> Text:
    """A state in its colour."""
    return Text(state + suffix, style=STYLES.get(state, ""))


def table(
    columns: Sequence[str | tuple[str, dict[str, Any]]], rows: Iterable[Sequence[str | Text]]
) -> Table:
    """A table without borders; a column is its title, or (title, rich's column settings)."""
    made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        title, settings = (column, {}) if isinstance(column, str) else column
        add: Callable[..., None] = made.add_column
        add(title, **{"overflow": "fold", **settings})
    for row in rows:
        made.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return made


def time_text(unix_s: int | None) -> str:
    """A time in UTC, such as 2026-06-21 23:15; a dash for none."""
    if unix_s is None:
        return "-"
    try:
        return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return f"{unix_s} s"


def plural(number: int, word: str) -> str:
    """1 lamppost, 2 lampposts."""
    return f"{number} {word}{'' if number == 1 else 's'}"


class ProgressBar:
    """A bar on stderr, seen only where that is a terminal."""

    def __init__(self, progress: Progress, description: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=total)

    def update(self, completed: int | None = None, description: str | None = None) -> None:
        """Set how much is done, and what is said of it."""
        self._progress.update(self._task, completed=completed, description=description)

    def advance(self) -> None:
        """One more is done."""
        self._progress.advance(self._task)


@contextmanager
def progress_bar(description: str, total: int | None = None) -> Generator[ProgressBar]:
    """A bar for what takes longer than a second; with no total, a sign of life."""
    shown = error_console()
    columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
    counted = [BarColumn(bar_width=24), MofNCompleteColumn()] if total is not None else []
    with Progress(
        *columns,
        *counted,
        TimeElapsedColumn(),
        console=shown,
        transient=True,
        disable=not shown.is_terminal,
    ) as progress:
        yield ProgressBar(progress, description, total)

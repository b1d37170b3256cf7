"""What commands print: tables for people, JSON for programs, progress on stderr.

Text that came over the network is only ever put into `Text`, never into rich's markup.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
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


_UNBOUNDED = 1_000_000
_BAR_AFTER_S = 1.0


def console() -> Console:
    """For results, on stdout; where that is no terminal nothing is ever wrapped or cut."""
    return _whole(Console(highlight=False))


def error_console() -> Console:
    """For everything that is not the result: progress, warnings, questions."""
    return _whole(Console(stderr=True, highlight=False))


def _whole(made: Console) -> Console:
    if not made.is_terminal:  # a program reads it, and half a hash is a wrong one
        made.width = _UNBOUNDED
    return made


def show(view: RenderableType) -> None:
    """A result on stdout; what cannot be broken, such as a hash, is not cut either."""
    console().print(view, crop=False)


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


class Paragraph:
    """Text whose further lines stand below each other; a word, such as a hash, is never broken."""

    def __init__(self, text: Text, *, first: int = 0, rest: int = 4) -> None:
        """Begin the first line with `first` spaces, the others with `rest`."""
        self._text, self._first, self._rest = text, first, rest

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's way to ask for what is printed."""
        width = max(20, options.max_width - self._rest)
        for number, line in enumerate(lines_of(self._text, width)):
            indent = self._rest if number else self._first
            yield _unbroken(Text.assemble(" " * indent, line))


class Details:
    """Labels and values, one below the other; a value too long for its place moves, unbroken."""

    def __init__(self, rows: Sequence[tuple[str, str | Text]]) -> None:
        """`rows` are (label, value)."""
        self._rows = [(label, Text(v) if isinstance(v, str) else v) for label, v in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's way to ask for what is printed."""
        indent = max((cell_len(label) for label, _ in self._rows), default=0) + 1
        for label, value in self._rows:
            lines = lines_of(value, max(20, options.max_width - indent))
            if all(indent + line.cell_len <= options.max_width for line in lines):
                space = " " * (indent - cell_len(label))
            elif cell_len(label) + 1 + value.cell_len <= options.max_width:
                lines, space = [value], " "
            else:
                yield _unbroken(Text(label, style="dim"))
                yield Paragraph(value, first=2, rest=2)
                continue
            for number, line in enumerate(lines):
                head = Text(" " * indent) if number else Text.assemble((label, "dim"), space)
                yield _unbroken(Text.assemble(head, line))


def lines_of(text: Text, width: int) -> list[Text]:
    """`text` broken between words so that lines are at most `width` cells, or one word, long."""
    breaks: list[int] = []
    began = 0
    for word in re.finditer(r"\S+", text.plain):
        if word.start() > began and cell_len(text.plain[began : word.end()]) > width:
            began = word.start()
            breaks.append(began)
    lines = list(text.divide(breaks))
    for line in lines:
        line.rstrip()
    return lines


def _unbroken(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ignore"
    return text


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

    def __init__(
        self, progress: Progress, description: str, total: int | None, after_s: float
    ) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=total)
        self._from = time.monotonic() + after_s

    def update(self, completed: int | None = None, description: str | None = None) -> None:
        """Set how much is done, and what is said of it."""
        if not self._progress.live.is_started and time.monotonic() >= self._from:
            self._progress.start()
        self._progress.update(self._task, completed=completed, description=description)

    def advance(self) -> None:
        """One more is done."""
        self._progress.advance(self._task)


@contextmanager
def progress_bar(
    description: str, total: int | None = None, *, late: bool = False, quiet: bool = False
) -> Generator[ProgressBar]:
    """A bar for what takes longer than a second; with no total, a sign of life.

    With `late` it is shown only once that second is over; with `quiet` never.
    """
    shown = Console(stderr=True, highlight=False)
    columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
    counted = [BarColumn(bar_width=24), MofNCompleteColumn()] if total is not None else []
    progress = Progress(
        *columns,
        *counted,
        TimeElapsedColumn(),
        console=shown,
        transient=True,
        disable=quiet or not shown.is_terminal,
    )
    bar = ProgressBar(progress, description, total, _BAR_AFTER_S if late else 0.0)
    try:
        if not late:
            progress.start()
        yield bar
    finally:
        progress.stop()

"""What a check has found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Attributes:
        level: how bad it is.
        about: what was looked at, a few words.
        found: what was found.
        action: what to do; "" where nothing is to be done.
    """

    level: Level
    about: str
    found: str
    action: str = ""

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def ok(about: str, found: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, about, found)


def warn(about: str, found: str, action: str) -> Finding:
    """It works, and may not for long."""
    return Finding(Level.WARN, about, found, action)


def fail(about: str, found: str, action: str) -> Finding:
    """It does not work."""
    return Finding(Level.FAIL, about, found, action)


def failed(findings: Iterable[Finding]) -> bool:
    """Whether any of them is a failure."""
    return any(finding.level is Level.FAIL for finding in findings)


_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


def show(findings: Iterable[Finding], console: Console) -> None:
    """Print them, one a row; what to do stands below what was found."""
    # Not at the top: the running gateway finds things too, and prints none.
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(max_width=22)
    table.add_column(ratio=1)
    for finding in findings:
        said = Text(finding.found)
        if finding.action:
            said.append(f"\n-> {finding.action}", style="bold")
        level = Text(finding.level.value, style=_STYLES[finding.level])
        table.add_row(level, Text(finding.about), said)
    console.print(table, highlight=False)

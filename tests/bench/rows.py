"""One measured figure, the table of them on the terminal, and the file they are kept in."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """A figure.

    Attributes:
        bench: which measurement it is of, the word after ``python -m tests.bench``.
        name: what was measured.
        value: the figure.
        unit: its unit.
        note: what it is to be compared with, or how it was taken.
    """

    bench: str
    name: str
    value: float
    unit: str
    note: str = ""

    @property
    def command(self) -> str:
        """What repeats it."""
        return f"python -m tests.bench {self.bench}"


def print_table(rows: Iterable[Row], console: Console) -> None:
    """Print the figures, a block for each measurement."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading, justify in (("figure", "left"), ("", "right"), ("unit", "left"), ("note", "left")):
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    last = ""
    for row in rows:
        if row.bench != last:
            table.add_row(f"[bold]{row.command}", "", "", "", end_section=False)
            last = row.bench
        table.add_row(f"  {row.name}", figure(row.value), row.unit, f"[dim]{row.note}")
    console.print(table)


def figure(value: float) -> str:
    """A number with three or four digits that mean something."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.1f}"


def write(rows: Iterable[Row], path: Path) -> None:
    """Write the figures as JSON with what they were taken on; a file that is there is updated.

    Figures of measurements that did not run this time are kept, each with its own time.
    """
    kept: list[dict[str, object]] = []
    fresh = [
        {**asdict(row), "command": row.command, "taken": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        for row in rows
    ]
    if path.exists():
        ran = {row["bench"] for row in fresh}
        kept = [row for row in json.loads(path.read_text())["rows"] if row["bench"] not in ran]
    document = {
        "machine": {
            "cpus": os.cpu_count(),
            "architecture": platform.machine(),
            "system": platform.platform(),
            "python": sys.version.split()[0],
        },
        "rows": kept + fresh,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

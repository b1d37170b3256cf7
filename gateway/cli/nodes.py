"""`lamplighter-gateway nodes`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.cabinet import lamppost_list
from gateway.cabinet.lamppost_list import Entry
from gateway.cli.doctor import DEFAULT_FILE
from gateway.config import load
from gateway.errors import ConfigurationError

FAILURE = 1
BAD_CONFIGURATION = 2
_COLUMNS = ("LAMPPOST", "NODE", "LINK", "STATE", "HEARD", "LEVEL", "FW", "BACKLOG", "UPDATE", "DBM")
_RIGHT = frozenset({"HEARD", "LEVEL", "BACKLOG", "DBM"})
# What may be left out where nobody has anything there.
_OPTIONAL = frozenset({"DBM", "STATE", "HEARD", "BACKLOG"})


def nodes(
    config: Annotated[
        Path, typer.Option("--config", help="the configuration file (TOML)")
    ] = DEFAULT_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """List this gateway's lampposts, as the running gateway has them.

    Where none runs, as the database last knew them. Exit codes: 0 listed,
    1 cannot be listed, 2 bad configuration.
    """
    try:
        configuration, _ = load(config)
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_CONFIGURATION) from None
    try:
        entries, live = lamppost_list.entries(configuration)
    except lamppost_list.NoList as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILURE) from None
    if as_json:
        document = {"live": live, "lampposts": [entry.document() for entry in entries]}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    show(entries, Console())
    silent = sum(entry.state == "silent" for entry in entries)
    if live:
        typer.echo(f"{len(entries)} lamppost(s), {silent} silent")
    else:
        typer.echo(f"{len(entries)} lamppost(s); no gateway runs: as the database last knew them")


def show(entries: list[Entry], console: Console, now: float | None = None) -> None:
    """Print them, one a row; columns in which nobody has anything are left out."""
    rows = [_row(entry, now) for entry in entries]
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    kept = [
        index
        for index, name in enumerate(_COLUMNS)
        if name not in _OPTIONAL or any(row[index] for row in rows)
    ]
    for index in kept:
        right = _COLUMNS[index] in _RIGHT
        table.add_column(_COLUMNS[index], justify="right" if right else "left")
    for entry, row in zip(entries, rows, strict=True):
        style = "yellow" if entry.state == "silent" else ""
        table.add_row(*(Text(row[index], style=style) for index in kept))
    console.print(table)


def _row(entry: Entry, now: float | None) -> list[str]:
    return [
        entry.name,
        entry.node,
        entry.link,
        entry.state,
        lamppost_list.ago(entry.last_heard, now),
        "" if entry.level is None else f"{entry.level} %",
        entry.firmware or "",
        "" if entry.backlog is None else str(entry.backlog),
        "" if entry.update == "idle" else entry.update,
        "" if entry.rssi is None else str(entry.rssi),
    ]

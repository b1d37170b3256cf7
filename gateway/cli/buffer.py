"""`lamplighter-gateway buffer`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import data_dir
from gateway.buffer.disk import Disk
from gateway.buffer.survey import Share, Survey, survey
from gateway.cli.loading import DEFAULT_FILE, configuration_of, fail
from gateway.config import Configuration
from gateway.errors import GatewayError

_MOST_LAMPPOSTS = 10
# Facts that stand among the durable counters.
_NOT_COUNTED = (
    "written_bytes", "written_from", "last_id", "kept_bytes", "salvaged_at", "running_s", "lineage",
)  # fmt: skip


def buffer(
    config: Annotated[
        Path, typer.Option("--config", help="the configuration file (TOML)")
    ] = DEFAULT_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="print all of it as JSON")] = False,
    every: Annotated[bool, typer.Option("--all", help="list every lamppost")] = False,
) -> None:
    """Show what waits in the buffer, for whom, and what was set aside.

    Reads only; the gateway may be running. A large buffer is read whole, which
    takes a while. Ages are of this gateway's running time.
    """
    configuration = configuration_of(config)
    folder = configuration.gateway.data_dir
    try:
        found = survey(folder / data_dir.DATABASE)
        free = Disk(folder, 0).free
    except (GatewayError, OSError) as error:
        fail(error)
    if as_json:
        bounds = {
            "max_bytes": configuration.buffer.max_bytes,
            "keep_free_bytes": configuration.buffer.keep_free_bytes,
            "free_bytes": free,
        }
        typer.echo(json.dumps({**found.document(), **bounds}, indent=2, ensure_ascii=False))
        return
    _show(found, configuration, free, every=every)


def _show(found: Survey, configuration: Configuration, free: int, *, every: bool) -> None:
    console = Console(highlight=False)
    bounds = configuration.buffer
    share = found.bytes / bounds.max_bytes
    lines = [
        ("waiting", f"{found.rows:,} records, {_size(found.bytes)}, {share:.0%} of max_bytes"),
        ("oldest", _age(found.oldest_s) if found.rows else "-"),
        ("file", f"{_size(found.file_bytes)} {found.path}"),
        ("disk", f"{_size(free)} free, {_size(bounds.keep_free_bytes)} must stay"),
        ("written", _wear(found)),
    ]
    if found.kept_bytes:
        lines.append(("for outlets", f"{_size(found.kept_bytes)} beside that"))
    lines += [("DAMAGED", f"replaced; look at it, then remove: {file}") for file in found.aside]
    for name, text in lines:
        console.print(Text(f"{name:<12}{text}"), soft_wrap=True)
    names = {lamppost.id: lamppost.name for lamppost in configuration.lamppost}
    _shares(console, "kind", found.kinds)
    some = found.lampposts if every else found.lampposts[:_MOST_LAMPPOSTS]
    for share_ in some:
        share_.name = names.get(share_.name, share_.name)
    _shares(console, "lamppost", some)
    if len(some) < len(found.lampposts):
        console.print(f"and {len(found.lampposts) - len(some)} more; --all lists them")
    _outlets(console, found)
    _rejected(console, found)
    counted = {name: value for name, value in found.counters.items() if name not in _NOT_COUNTED}
    _table(console, ("counted so far", ""), [(name, f"{counted[name]:,}") for name in counted])


def _shares(console: Console, of: str, shares: list[Share]) -> None:
    rows = [(s.name, f"{s.rows:,}", _size(s.bytes), _age(s.oldest_s)) for s in shares]
    _table(console, (of, "records", "bytes", "oldest"), rows)


def _outlets(console: Console, found: Survey) -> None:
    rows = [
        (o.name, f"{o.rows:,}", _age(o.oldest_s) if o.rows else "-", f"{o.passed:,}",
         f"{o.missed:,}")
        for o in found.outlets
    ]  # fmt: skip
    _table(console, ("outlet", "to pass", "oldest", "passed", "missed"), rows)


def _rejected(console: Console, found: Survey) -> None:
    rows = [
        (r.reason, "the broker refused it" if r.refused else "no record", f"{r.rows:,}")
        for r in found.rejected
    ]
    _table(console, ("set aside because", "", "records"), rows, words=2)


def _table(
    console: Console, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]], words: int = 1
) -> None:
    """words: so many of the first columns hold words, the others numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="left" if index < words else "right", overflow="fold")
    for row in rows:
        # What a lamppost or broker has said is text, not markup.
        table.add_row(*(Text(cell) for cell in row))
    if table.row_count:
        console.print()
        console.print(table)


def _wear(found: Survey) -> str:
    if found.written_per_record is None or not found.written_bytes:
        return "not counted yet"
    return f"{_size(found.written_bytes)}, {found.written_per_record:,} bytes a record"


def _size(size: float) -> str:
    unit = "bytes"
    for larger in ("kB", "MB", "GB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"


def _age(seconds: int) -> str:
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"

"""lamplighter readings: what the lampposts have measured."""

# ruff: noqa: D301 - \b is how typer is told to keep the lines of a paragraph apart
import asyncio
import os
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.text import Text

from fleet_cli.broker import connected
from fleet_cli.commands.options import Json, seconds
from fleet_cli.commands.root import settings_of
from fleet_cli.errors import BadInput, Failed, reason_of
from fleet_cli.output import ProgressBar, console, note, plural, print_json_line, progress_bar
from fleet_cli.readings.columns import KEY_COLUMNS, kind_by_name, reading
from fleet_cli.readings.export import export as write_export
from fleet_cli.readings.tail import tail as follow
from fleet_cli.settings import BrokerSettings
from fleet_cli.store import RecordRow, Store
from fleet_cli.topics import is_node_id
from protocol import records
from protocol.errors import ProtocolError

_BAR_EVERY = 500  # readings

app = typer.Typer(help="What the lampposts have measured.", no_args_is_help=True)

_KINDS = ", ".join(name for name, _ in records.KINDS.values())
Kinds = Annotated[list[str] | None, typer.Option("--kind", "-k", help=f"{_KINDS}; repeatable.")]
NodeIds = Annotated[list[str] | None, typer.Option("--node", "-n", help="Id; repeatable.")]


@app.command()
def tail(
    context: typer.Context,
    kind: Kinds = None,
    node: NodeIds = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="End after so many.")] = None,
    run_for: Annotated[
        str | None, typer.Option("--run-for", help="End after so long, such as 10min.")
    ] = None,
    json: Json = False,
) -> None:
    """Show readings as they come in at the broker, until stopped.

    A view only: it never counts as the one that readings are delivered to.
    Only `lamplighter ingest` does; without any, gateways keep their readings
    and nothing is seen here.

    With --json each is a line of JSON.

    \b
    [bold]Examples[/bold]
    lamplighter readings tail --kind air
    lamplighter readings tail --json --count 100 | jq .node
    """
    kinds = {kind_by_name(name) for name in kind or []}
    nodes = set(_node_ids(node))
    limit = seconds(run_for, "--run-for", 1, 365 * 86400) if run_for else None
    broker = settings_of(context).broker
    try:
        asyncio.run(_tail(broker, kinds, nodes, count, limit, json))
    except KeyboardInterrupt:
        return  # the ordinary way to end it


async def _tail(
    broker: BrokerSettings,
    kinds: set[int],
    nodes: set[str],
    count: int | None,
    limit_s: float | None,
    json: bool,
) -> None:
    shown = 0
    out = console()
    async with connected(broker) as client:
        async for row in follow(client, run_for_s=limit_s):
            if not isinstance(row, RecordRow):
                note(f"{row.topic}: {row.reason}")
                continue
            if (kinds and row.kind not in kinds) or (nodes and row.node not in nodes):
                continue
            try:
                values = reading(row)
            except ProtocolError as error:
                note(f"{row.node} {row.epoch}/{row.seq}: {error}")
                continue
            if json:
                print_json_line(values)
            else:
                out.print(tail_line(values), soft_wrap=True)
            shown += 1
            if shown == count:
                return


def tail_line(values: dict[str, object]) -> Text:
    """A reading in one line."""
    when = values["time"] or f"+{values['since_start_s']} s"
    fields = [
        f"{name}={value}"
        for name, value in values.items()
        if name not in KEY_COLUMNS and name != "kind"
    ]
    return Text.assemble(
        (f"{when:<20} ", "dim"),
        f"{values['node']} ",
        (f"{values['kind']!s:<6} ", "bold"),
        " ".join(fields),
    )


@app.command()
def export(
    context: typer.Context,
    form: Annotated[str, typer.Option("--format", "-f", help="csv or jsonl.")] = "csv",
    kind: Kinds = None,
    node: NodeIds = None,
    since: Annotated[
        str | None, typer.Option(help="At or after, such as 2026-06-01 or 2026-06-01T12:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; else stdout.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
) -> None:
    """Write readings from the store, as CSV or as lines of JSON.

    Column names carry the unit (pm25_ug_m3). Times are UTC; a record made
    before its lamppost knew the time has none and is outside --since/--until.

    \b
    [bold]Examples[/bold]
    lamplighter readings export --kind air --since 2026-06-01 > june.csv
    lamplighter readings export --format jsonl -k people -k energy -o out.jsonl
    """
    kinds = tuple(kind_by_name(name) for name in kind or [])
    form = "jsonl" if json else form
    start, end = _moment(since, "--since"), _moment(until, "--until")
    nodes = _node_ids(node)
    with Store(settings_of(context).store) as store, _output(output) as out:
        # Records without a time have small numbers there, which no bound may take in.
        if start is not None or end is not None:
            start = max(start or 0, records.CLOCK_EPOCH)
        # Lines on a terminal are sign of life enough, and a bar would stand in between.
        quiet = output is None and (form == "jsonl" or sys.stdout.isatty())
        total = (
            None if quiet else store.count_records(kinds=kinds, nodes=nodes, since=start, until=end)
        )
        rows = store.records(kinds=kinds, nodes=nodes, since=start, until=end)
        with progress_bar("Exporting", total, late=True, quiet=quiet) as bar:
            written, passed_over = write_export(_followed(rows, bar), out, form, kinds)
    if output:
        note(f"{plural(written, 'reading')} written to {output}")
    if passed_over:
        note(f"{plural(passed_over, 'record')} of a kind unknown to this version passed over")


def _followed(rows: Iterable[RecordRow], bar: ProgressBar) -> Generator[RecordRow]:
    for number, row in enumerate(rows):
        if number % _BAR_EVERY == 0:
            bar.update(number)
        yield row


@contextmanager
def _output(file: Path | None) -> Generator[TextIO]:
    """Stdout, or a file that appears only when it is whole.

    Raises:
        BadInput: no file can be made there.
        Failed: it could not be written to the end.
    """
    if file is None:
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            # Python would try, and complain, again at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Failed(f"stdout: could not be written: {reason_of(error)}") from error
        return
    if file.is_dir():
        raise BadInput(f"--output {file}: expected a file, it is a folder; name a file in it")
    partial = file.with_name(file.name + ".part")
    try:
        opened = partial.open("w", newline="")
    except OSError as error:
        raise BadInput(
            f"--output {file}: cannot be made there: {reason_of(error)}; name another place"
        ) from error
    try:
        with opened as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        partial.replace(file)
    except OSError as error:
        raise Failed(
            f"--output {file}: could not be written: {reason_of(error)}; nothing is left of it, "
            "and the store is unchanged"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _moment(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(
            f"{option} {text}: expected a date such as 2026-06-01 or 2026-06-01T12:00:00Z"
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _node_ids(nodes: list[str] | None) -> tuple[str, ...]:
    for node in nodes or []:
        if not is_node_id(node):
            raise BadInput(f"--node {node}: expected an id of 12 lower-case hexadecimal characters")
    return tuple(nodes or ())

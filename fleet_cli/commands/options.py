"""Options that several commands share."""

import asyncio
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from fleet_cli.configuration.units import parse_duration_ms
from fleet_cli.errors import BadInput
from fleet_cli.fleet import Fleet, Lamppost, Selection
from fleet_cli.fleet.selection import parse_labels
from fleet_cli.output import note

_SELECTION = "Which lampposts"

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, and nothing else.")]
Nodes = Annotated[
    list[str] | None,
    typer.Option("--node", "-n", help="Id or name; repeatable.", rich_help_panel=_SELECTION),
]
Gateways = Annotated[
    list[str] | None,
    typer.Option(
        "--gateway",
        "-g",
        help="All behind a gateway; * and ? match; repeatable.",
        rich_help_panel=_SELECTION,
    ),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        "-l",
        metavar="KEY=PATTERN",
        help="Where a label matches (or KEY!=PATTERN): name, version, link, board, update, "
        "configuration...; repeatable.",
        rich_help_panel=_SELECTION,
    ),
]
All = Annotated[bool, typer.Option("--all", help="Every lamppost.", rich_help_panel=_SELECTION)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ConfigurationFile = Annotated[
    Path, typer.Argument(help="Configuration (TOML); see: lamplighter config docs")
]


def selection(
    nodes: list[str] | None, gateways: list[str] | None, labels: list[str] | None
) -> Selection:
    """The selection these options make.

    Raises:
        BadInput: a label cannot be read.
    """
    return Selection(tuple(nodes or ()), tuple(gateways or ()), parse_labels(labels or []))


def explicit_selection(
    nodes: list[str] | None, gateways: list[str] | None, labels: list[str] | None, everyone: bool
) -> Selection:
    """As `selection`, for commands that change the street: nothing is chosen by leaving out.

    Raises:
        BadInput: nothing is selected, or --all contradicts another option.
    """
    chosen = selection(nodes, gateways, labels)
    if chosen.is_everything and not everyone:
        raise BadInput("which lampposts? give --node, --gateway or -l, or --all for every one")
    if everyone and not chosen.is_everything:
        raise BadInput("--all contradicts --node, --gateway and -l; give one or the other")
    return chosen


def chosen_of(fleet: Fleet, wanted: Selection) -> list[Lamppost]:
    """The lampposts selected, at least one.

    Raises:
        BadInput: there is none.
    """
    warn_of(fleet)
    chosen = wanted.choose(fleet)
    if not chosen:
        raise BadInput("no lamppost matches; see: lamplighter fleet list")
    return chosen


def warn_of(fleet: Fleet) -> None:
    """Tell on stderr where the fleet could not be read whole."""
    if not fleet.complete:
        note("the broker was still sending after the time limit; lampposts may be missing")
    for topic, reason in fleet.unreadable.items():
        note(f"cannot read {topic}: {reason}")


def seconds(text: str, option: str, low: int, high: int) -> int:
    """A duration option such as "30min" in seconds.

    Raises:
        BadInput: it is of another form, or out of bounds.
    """
    value = parse_duration_ms(text)
    if value is None or not low * 1000 <= value <= high * 1000:
        raise BadInput(
            f"{option} {text}: expected a time such as 90s, 30min or 2h, from {low} s to {high} s"
        )
    return -(-value // 1000)


def labelled(lampposts: list[Lamppost], most: int = 6) -> str:
    """The lampposts' names in one line."""
    names = [post.label for post in lampposts[:most]]
    if len(lampposts) > most:
        names.append(f"and {len(lampposts) - most} more")
    return ", ".join(names)


def identity(lamppost: Lamppost) -> dict[str, Any]:
    """A lamppost in JSON where only its identity is meant."""
    return {"node": lamppost.node, "gateway": lamppost.gateway, "name": lamppost.state.name}


@contextmanager
def told_at_interrupt(text: Callable[[], str]) -> Generator[None]:
    """Where Ctrl-C ends the block, which asyncio tells by cancelling it: say what goes on."""
    try:
        yield
    except asyncio.CancelledError:
        note(text())
        raise


async def confirm(question: str) -> None:
    """Ask on stderr, and go on only after a y.

    Raises:
        typer.Abort: the answer was anything else.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)

    def read() -> None:
        line = sys.stdin.readline()
        with suppress(RuntimeError):  # the loop has ended: Ctrl-C was the answer
            loop.call_soon_threadsafe(lambda: answer.done() or answer.set_result(line))

    # Beside the loop, so that the connection is kept alive while a person thinks; a daemon, so
    # that Ctrl-C need not wait for the return key.
    threading.Thread(target=read, daemon=True).start()
    if (await answer).strip().lower() not in ("y", "yes"):
        raise typer.Abort

"""lamplighter ingest: the service that fills the city store."""

# ruff: noqa: D301 - \b is how typer is told to keep the lines of a paragraph apart
import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Annotated

import structlog
import typer

from fleet_cli.commands.options import Json, seconds
from fleet_cli.commands.root import settings_of
from fleet_cli.errors import EXIT_OK, BadInput
from fleet_cli.ingest.service import Ingest
from fleet_cli.output import console, print_json, progress_bar, table
from fleet_cli.store import Counts, Store
from fleet_cli.topics import is_ingest_name

_IDLE_END_S = 2.0


def ingest(
    context: typer.Context,
    store: Annotated[
        str | None,
        typer.Option(help="Where to, as a SQLAlchemy URL; else the global --store."),
    ] = None,
    name: Annotated[
        str,
        typer.Option(
            help="This ingest's session with the broker: its own for each that runs at a time."
        ),
    ] = "1",
    shared: Annotated[
        bool,
        typer.Option(
            "--shared",
            help="Share the work with the others that run; only with a broker that keeps shared "
            "subscriptions over a restart, which mosquitto 2.0 does not.",
        ),
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="End when nothing has come for 2 s.")
    ] = False,
    run_for: Annotated[
        str | None, typer.Option("--run-for", help="End after so long, such as 10min.")
    ] = None,
    report_every: Annotated[
        str, typer.Option("--report-every", help="How often counters go to the log.")
    ] = "1min",
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log each rejected payload.")
    ] = False,
    json: Json = False,
) -> int:
    """Take readings from the broker into the store, each exactly once.

    The broker is told that it may forget a message only when the store has
    it on disk; killed at any moment, nothing is lost and nothing is twice.
    Several may run, each with its own --name; the store takes each reading
    once however many bring it.
    While one of them is known to the broker, gateways send their readings
    and delete what was delivered; without any they keep them. It counts for
    7 days after it was last connected.
    Ends cleanly at SIGTERM and Ctrl-C, and prints its counters.

    \b
    [bold]Examples[/bold]
    lamplighter ingest --store sqlite:///city.db
    lamplighter ingest --once --json
    """
    if not is_ingest_name(name):
        raise BadInput(
            f"--name {name}: expected 1 to 32 letters and digits, not 'records' or 'status'"
        )
    settings = settings_of(context)
    limit = seconds(run_for, "--run-for", 1, 365 * 86400) if run_for else None
    every = seconds(report_every, "--report-every", 1, 86400)
    _log_to_stderr(verbose)
    with (
        Store(store or settings.store, create=True) as opened,
        progress_bar("Ingesting") as bar,
    ):

        def show(counts: Counts) -> None:
            bar.update(counts.records, f"Ingesting: {counts.stored} stored")

        service = partial(
            Ingest,
            settings.broker,
            opened,
            name=name,
            shared=shared,
            report_every_s=every,
            on_progress=show,
        )
        counts = asyncio.run(_run(service, _IDLE_END_S if once else None, limit))
    if json:
        print_json(asdict(counts))
    else:
        rows = [[key, str(value)] for key, value in asdict(counts).items()]
        console().print(table(["counter", ("count", {"justify": "right"})], rows))
    return EXIT_OK


async def _run(make: Callable[[], Ingest], idle_end_s: float | None, limit_s: int | None) -> Counts:
    service = make()  # here, as it belongs to the running loop
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)
    if limit_s is not None:
        loop.call_later(limit_s, service.stop)
    return await service.run(idle_end_s=idle_end_s)


def _log_to_stderr(verbose: bool) -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if verbose else logging.INFO
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )

"""`lamplighter-gateway commission` and `web-code`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gateway.cli.commission_session import Session
from gateway.cli.control import Control, NoGateway, Refused, gateway
from gateway.cli.loading import DEFAULT_FILE, configuration_of, fail
from gateway.commissioning import report as reports

FAILURE = 1


def commission(
    config: Annotated[
        Path, typer.Option("--config", help="the configuration file (TOML)")
    ] = DEFAULT_FILE,
    labels: Annotated[
        Path | None,
        typer.Option(help="adopt those in this file first: a label a line, and a name behind it"),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="only print the report and write its files")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="with --report: print JSON")] = False,
) -> None:
    """Find lampposts, adopt them, blink each, check light and sensors, report.

    Works beside the running gateway, or starts one for as long as it takes. What
    was done is kept: it may be left and gone on with. Exit codes: 0 done (with
    --report: every lamppost passed), 1 failure, 2 bad configuration.
    """
    configuration = configuration_of(config)
    console = Console(highlight=False)
    try:
        with gateway(config, configuration) as (control, started):
            if report:
                _report(control, as_json=as_json)
                return
            if started:
                typer.echo("No gateway runs: one was started for this, and ends with it.")
            session = Session(control, console)
            if labels is not None:
                session.adopt_file(labels)
            session.run()
    except (NoGateway, Refused, OSError) as error:
        fail(error)


def web_code(
    config: Annotated[
        Path, typer.Option("--config", help="the configuration file (TOML)")
    ] = DEFAULT_FILE,
) -> None:
    """Print a one-time code for the commissioning page, and where the page is.

    The page is that of the running gateway, where the configuration has
    web.enabled = true. A code lets one phone in, once, within minutes.
    """
    control = Control(configuration_of(config).gateway.data_dir)
    try:
        if not control.answers():
            fail("no gateway runs; sudo systemctl start lamplighter-gateway")
        made = control.post("/api/web-code")
    except (NoGateway, Refused, OSError) as error:
        fail(error)
    typer.echo(f"page         {made['url']}")
    typer.echo(f"code         {made['code']}   (once, within {made['minutes']} minutes)")
    if made["fingerprint"]:
        typer.echo("The phone warns of a certificate it does not know. Its SHA-256 must be:")
        halves = made["fingerprint"][:47], made["fingerprint"][48:]
        typer.echo("\n".join(f"  {half}" for half in halves))
    else:
        typer.echo("No TLS: whoever is on this network can read what is typed, keys too.")


def _report(control: Control, *, as_json: bool) -> None:
    made = control.post("/api/report")
    if as_json:
        typer.echo(json.dumps(made["report"], indent=2, ensure_ascii=False))
    else:
        typer.echo(reports.text(made["report"]))
        for file in made["files"]:
            typer.echo(file)
    posts = made["report"]["lampposts"]
    if not posts or any(post["verdict"] not in ("pass", "skipped") for post in posts):
        raise typer.Exit(FAILURE)

"""`lamplighter-gateway doctor`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gateway.cabinet import doctor as examination
from gateway.cabinet.findings import Level, failed, show

DEFAULT_FILE = Path("/etc/lamplighter/gateway.toml")
FAILURE = 1


def doctor(
    config: Annotated[
        Path, typer.Option("--config", help="the configuration file (TOML)")
    ] = DEFAULT_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=120, help="seconds to wait for another machine")
    ] = 10.0,
) -> None:
    """Look at everything around the gateway; each failure says what to do.

    Serial ports, Bluetooth, clock, disk, certificates, brokers, service. Nothing
    is changed; a running gateway is not disturbed. Best run as root.
    Exit codes: 0 no failure (there may be warnings), 1 failures.
    """
    findings = list(examination.examine(config, timeout))
    if as_json:
        typer.echo(json.dumps([one.document() for one in findings], indent=2, ensure_ascii=False))
    else:
        show(findings, Console())
        if os.geteuid() != 0:
            typer.echo("Not root: ports and files of other users could not all be looked at.")
        counts = {level: sum(one.level is level for one in findings) for level in Level}
        typer.echo(f"{counts[Level.FAIL]} failure(s), {counts[Level.WARN]} warning(s)")
    if failed(findings):
        raise typer.Exit(FAILURE)
